/**
 * Stepping in: retry now, resolve, rebind, cancel. Each asks before it acts; what changes the outcome needs a reason, which the journal keeps.
 *
 * Invariant: what the saga would refuse as it is now cannot be asked for, and the page says why, also where that changes in an open dialog.
 */
import type { Health, SagaView } from 'backstep'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import { api, Problem } from './api.js'
import { problemIn } from './hooks.js'
import { Trouble } from './trouble.js'
import { isEnded } from './words.js'

export type Action = 'cancel' | 'retry' | 'resolve' | 'rebind'

type Workers = Health['workers']
type Step = SagaView['steps'][number]

const words: Readonly<Record<Action, string>> = {
  cancel: 'Cancel',
  retry: 'Retry now',
  resolve: 'Resolve',
  rebind: 'Move to another version',
}

const waits = ({ commit, rollback }: Step): boolean => commit === 'waiting' || rollback === 'waiting'

/** The steps of which an operator may say how they stand: forward, that the commit took effect; on the way back, that nothing stands. */
export const unsettled = ({ steps, wayBack }: SagaView): SagaView['steps'] =>
  steps
    .filter(({ commit, rollback, inDoubt }) =>
      wayBack
        ? commit !== 'open' &&
          (rollback === 'open' || rollback === 'waiting' || (inDoubt && rollback !== 'done'))
        : commit === 'open' || commit === 'waiting',
    )
    .sort((a, b) => Number(b.stuck) - Number(a.stuck))

/** What live processes offer of a blocked saga's definition. */
export function versionsFor(saga: SagaView, workers: Workers): string[] {
  if (!saga.blocked || isEnded(saga)) return []
  const offers = workers.filter(({ alive }) => alive).flatMap((worker) => worker.offers)
  return [...new Set(offers.filter(({ name }) => name === saga.name).map(({ version }) => version))]
}

/** Why the saga, as it is, would not have it, or nothing would come of it. */
function whyNot(action: Action, saga: SagaView): string | undefined {
  if (isEnded(saga)) return 'it has ended'
  if (action === 'cancel' && saga.wayBack) return 'it is going back already'
  if (action === 'cancel' && saga.steps.some(({ pivot, commit }) => pivot && commit === 'committed'))
    return 'its pivot has committed: it can only go forward'
  if (action === 'retry' && !saga.steps.some(waits)) return 'no step waits for its next attempt'
  if (action === 'resolve' && unsettled(saga).length === 0) return 'no step is under way'
  return undefined
}

interface ActionsProps {
  readonly saga: SagaView
  readonly versions: readonly string[]
  readonly ask: (action: Action) => void
}

export const Actions = ({ saga, versions, ask }: ActionsProps) => (
  <div class="actions">
    {(['retry', 'resolve', 'rebind', 'cancel'] as const).map((action) => {
      if (action === 'rebind' && versions.length === 0) return null
      const not = whyNot(action, saga)
      return (
        <button
          key={action}
          type="button"
          class={action}
          disabled={not !== undefined}
          title={not}
          onClick={() => ask(action)}
        >
          {words[action]}
        </button>
      )
    })}
  </div>
)

/** A dialog of the browser's own: it keeps the focus, and Escape leaves it. */
export function Modal({
  title,
  close,
  children,
}: {
  readonly title: string
  readonly close: () => void
  readonly children: ComponentChildren
}) {
  const place = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement
    place.current?.showModal()
    return () => {
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    <dialog ref={place} onClose={close} aria-label={title}>
      <h2>{title}</h2>
      {children}
    </dialog>
  )
}

interface DialogProps {
  readonly action: Action
  /** As it is now: it goes on while one thinks. */
  readonly saga: SagaView
  readonly workers: Workers
  /** Called when the dialog is over; `done`: the server did it. */
  readonly close: (done: boolean) => void
}

export function ActionDialog({ action, saga, workers, close }: DialogProps) {
  const [busy, setBusy] = useState(false)
  // Two presses may come before the button is drawn anew.
  const sent = useRef(false)
  const [problem, setProblem] = useState<Problem>()
  // A wait that ends while one reads is no reason to take the button away.
  const not = action === 'retry' && !isEnded(saga) ? undefined : whyNot(action, saga)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement) || sent.current) return
    const form = new FormData(event.currentTarget)
    sent.current = true
    setBusy(true)
    setProblem(undefined)
    try {
      await send(action, saga, form)
      close(true)
    } catch (error) {
      setProblem(problemIn(error))
      setBusy(false)
      sent.current = false
    }
  }
  return (
    <Modal title={`${titles[action]} ${safe(saga.id)}`} close={() => close(false)}>
      <form onSubmit={(event) => void submit(event)}>
        <p>{consequences[action]}</p>
        {action === 'resolve' && <ResolveFields {...{ saga }} />}
        {action === 'rebind' && <Version versions={versionsFor(saga, workers)} />}
        {action !== 'retry' && <Reason />}
        {problem && <Trouble problem={problem} />}
        {not && <p role="status">Too late: {not}.</p>}
        <div class="buttons">
          <button type="button" onClick={() => close(false)}>
            Leave it
          </button>
          <button
            type="submit"
            class={action === 'retry' ? 'primary' : 'primary grave'}
            disabled={busy || not !== undefined}
          >
            {confirmations[action]}
          </button>
        </div>
      </form>
    </Modal>
  )
}

const titles = {
  cancel: 'Cancel',
  retry: 'Retry',
  resolve: 'Resolve a step of',
  rebind: 'Move to another version:',
} as const
const confirmations = {
  cancel: 'Cancel the saga',
  retry: 'Retry now',
  resolve: 'Resolve the step',
  rebind: 'Move the saga',
} as const
const consequences = {
  cancel: 'No further step is committed, and every step that was is rolled back. That cannot be taken back.',
  retry: 'Every step that waits is tried at once; nothing else changes.',
  resolve:
    'You say how the step stands in the world. The saga goes on from there and does not check it. That cannot be taken back.',
  rebind:
    'From now on it follows another version, whose steps must begin like those that it has begun. That is refused where they do not.',
} as const

function readOutput(text: string): { output?: unknown } {
  if (text.trim() === '') return {}
  try {
    return { output: JSON.parse(text) }
  } catch {
    throw new Problem(0, 'BAD_INPUT', 'the output is no JSON', 'write it as {"id": 7}, or leave it empty')
  }
}

async function send(action: Action, { id }: SagaView, form: FormData): Promise<void> {
  const text = (name: string): string => String(form.get(name) ?? '')
  const reason = text('reason').trim()
  if (action === 'retry') await api.retry(id)
  else if (action === 'cancel') await api.cancel(id, reason)
  else if (action === 'rebind') await api.rebind(id, text('version'), reason)
  else {
    const as = text('as') === 'committed' ? 'committed' : 'rolled_back'
    await api.resolve(id, text('step'), { as, reason, ...readOutput(text('output')) })
  }
}

const Reason = () => (
  <label class="field">
    <span>Reason</span>
    <textarea name="reason" required maxLength={2_000} rows={2} />
    <small>Required. The journal keeps it, with your name.</small>
  </label>
)

const Choice = ({ label, name, of }: { label: string; name: string; of: readonly string[] }) => (
  <label class="field">
    <span>{label}</span>
    <select {...{ name }}>
      {of.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  </label>
)

const Version = ({ versions }: { readonly versions: readonly string[] }) => (
  <Choice label="Version" name="version" of={versions} />
)

/** There is one answer in each direction: forward a step may stand, on the way back it may not. */
function ResolveFields({ saga }: { readonly saga: SagaView }) {
  const back = saga.wayBack !== null
  return (
    <>
      <Choice label="Step" name="step" of={unsettled(saga).map(({ name }) => name)} />
      <input type="hidden" name="as" value={back ? 'rolled_back' : 'committed'} />
      <p>
        {back ? (
          <>
            It counts as <b>rolled back</b>: it has no effect, or its effect was undone.
          </>
        ) : (
          <>
            It counts as <b>committed</b>: its effect stands. A call that is under way is waited for. If there
            is no effect, {whyNot('cancel', saga) ? 'leave it: it is tried again' : 'cancel the saga'}.
          </>
        )}
      </p>
      {!back && (
        <label class="field">
          <span>Output (JSON)</span>
          <textarea name="output" rows={2} spellcheck={false} />
          <small>What the commit would have returned, for the steps behind it. May be empty.</small>
        </label>
      )}
    </>
  )
}
