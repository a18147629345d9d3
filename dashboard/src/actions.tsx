/**
 * Stepping in: cancel, retry now, resolve. Each asks before it acts; what changes the outcome needs a reason, which the journal keeps.
 */
import type { SagaView } from 'backstep'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { api, Problem } from './api.js'
import { problemIn } from './hooks.js'
import { Trouble } from './trouble.js'

export type Action = 'cancel' | 'retry' | 'resolve'

const words: Readonly<Record<Action, string>> = { cancel: 'Cancel', retry: 'Retry now', resolve: 'Resolve' }

/** The steps that an operator may have to settle: tried in vain, or in doubt. */
export const unsettled = ({ steps }: SagaView): SagaView['steps'] =>
  steps.filter(
    ({ commit, rollback, inDoubt }) =>
      rollback === 'open' || rollback === 'waiting' || commit === 'open' || commit === 'waiting' || inDoubt,
  )

function whyNot(action: Action, saga: SagaView): string | undefined {
  if (action === 'cancel' && saga.status === 'rolling_back') return 'it is going back already'
  if (action !== 'cancel' && unsettled(saga).length === 0) return 'no step is under way'
  return undefined
}

export const Actions = ({
  saga,
  act,
}: {
  readonly saga: SagaView
  readonly act: (action: Action, saga: SagaView) => void
}) => (
  <div class="actions">
    {(['retry', 'resolve', 'cancel'] as const).map((action) => {
      const not = whyNot(action, saga)
      return (
        <button
          key={action}
          type="button"
          class={action}
          disabled={not !== undefined}
          title={not}
          onClick={() => act(action, saga)}
        >
          {words[action]}
        </button>
      )
    })}
  </div>
)

interface DialogProps {
  readonly action: Action
  readonly saga: SagaView
  /** Called when the dialog is over; `done`: the server did it. */
  readonly close: (done: boolean) => void
}

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

export function ActionDialog({ action, saga, close }: DialogProps) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement) || busy) return
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setProblem(undefined)
    try {
      await send(action, saga.id, form)
      close(true)
    } catch (error) {
      setProblem(problemIn(error))
      setBusy(false)
    }
  }
  return (
    <Modal title={`${titles[action]} ${saga.id}`} close={() => close(false)}>
      <form onSubmit={(event) => void submit(event)}>
        <p>{consequences[action]}</p>
        {action === 'resolve' && <ResolveFields {...{ saga }} />}
        {action !== 'retry' && <Reason />}
        {problem && <Trouble problem={problem} />}
        <div class="buttons">
          <button type="button" onClick={() => close(false)}>
            Leave it
          </button>
          <button type="submit" class={action === 'retry' ? 'primary' : 'primary grave'} disabled={busy}>
            {confirmations[action]}
          </button>
        </div>
      </form>
    </Modal>
  )
}

const titles = { cancel: 'Cancel', retry: 'Retry', resolve: 'Resolve a step of' } as const
const confirmations = { cancel: 'Cancel the saga', retry: 'Retry now', resolve: 'Resolve the step' } as const
const consequences = {
  cancel: 'No further step is committed, and every step that was is rolled back. That cannot be taken back.',
  retry: 'The next attempt is made at once; nothing else changes.',
  resolve:
    'You say how the step stands in the world. The saga goes on from there and does not check it. That cannot be taken back.',
} as const

function readOutput(text: string): { output?: unknown } {
  if (text.trim() === '') return {}
  try {
    return { output: JSON.parse(text) }
  } catch {
    throw new Problem(0, 'BAD_INPUT', 'the output is no JSON', 'write it as {"id": 7}, or leave it empty')
  }
}

async function send(action: Action, id: string, form: FormData): Promise<void> {
  const text = (name: string): string => String(form.get(name) ?? '')
  const reason = text('reason').trim()
  if (action === 'retry') await api.retry(id)
  else if (action === 'cancel') await api.cancel(id, reason)
  else {
    const as = text('as') === 'committed' ? 'committed' : 'rolled_back'
    await api.resolve(id, text('step'), {
      as,
      reason,
      ...(as === 'committed' ? readOutput(text('output')) : {}),
    })
  }
}

const Reason = () => (
  <label class="field">
    <span>Reason</span>
    <textarea name="reason" required maxLength={2_000} rows={2} />
    <small>Required. The journal keeps it, with your name.</small>
  </label>
)

function ResolveFields({ saga }: { readonly saga: SagaView }) {
  const steps = unsettled(saga)
  const back = saga.status === 'rolling_back'
  const [as, choose] = useState(back ? 'rolled_back' : 'committed')
  const choice = (value: string, title: string, text: string) => (
    <label class="choice">
      <input type="radio" name="as" value={value} checked={as === value} onChange={() => choose(value)} />
      <span>
        <b>{title}</b> {text}
      </span>
    </label>
  )
  return (
    <>
      <label class="field">
        <span>Step</span>
        <select name="step">
          {[...steps]
            .sort((a, b) => Number(b.stuck) - Number(a.stuck))
            .map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
        </select>
      </label>
      <fieldset>
        <legend>How it stands</legend>
        {choice('rolled_back', 'Rolled back.', 'It has no effect, or its effect was undone.')}
        {choice(
          'committed',
          'Committed.',
          back ? 'Its effect stands. Refused on the way back.' : 'Its effect stands.',
        )}
      </fieldset>
      {as === 'committed' && (
        <label class="field">
          <span>Output (JSON)</span>
          <textarea name="output" rows={2} spellcheck={false} />
          <small>What the commit would have returned, for the steps behind it. May be empty.</small>
        </label>
      )}
    </>
  )
}
