/**
 * One saga: what it is, why it waits, its timeline, its journal, its payloads, and what one can do about it.
 */
import type { Health, JournalEntry, SagaView } from 'backstep'
import { useEffect, useRef, useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import { processOf, why } from '#dist/runtime/why.js'
import { type Action, ActionDialog, Actions, versionsFor } from './actions.js'
import type { Go, Place, Tab } from './address.js'
import { api, mayAct, type Session, type View } from './api.js'
import { useFew } from './few.js'
import { State } from './glyph.js'
import { type Loaded, useLoaded, useNow, useStream, useThrottled } from './hooks.js'
import { Journal } from './journal.js'
import { To } from './list.js'
import { Payloads } from './payloads.js'
import { focusOf, Steps } from './steps.js'
import { Timeline } from './timeline/chart.js'
import { Trouble } from './trouble.js'
import { Waits } from './waits.js'
import { isEnded, kindOf, lasting, timeText } from './words.js'

interface Props {
  readonly id: string
  readonly place: Place
  readonly go: Go
  readonly session: Session | undefined
  /** Grows whenever the saga is known to have changed. */
  readonly version: number
}

interface Whole {
  readonly saga: View
  /** Where the sentence on the saga needs them. */
  readonly workers: Health['workers']
  readonly journal: readonly JournalEntry[]
}

/** ms between two looks at a saga about which the server has much to tell. */
const often = 300

function useSaga(id: string, version: number): Loaded<Whole> {
  const loaded = useLoaded(id, async () => {
    const [saga, journal] = await Promise.all([api.get(id), api.journal(id)])
    const needsWorkers = !isEnded(saga) && (saga.blocked || saga.owner !== null)
    const { workers } = needsWorkers ? await api.health() : { workers: [] }
    return { saga, journal, workers }
  })
  const { value, problem, load } = loaded
  const soon = useThrottled(load, often)
  // Nobody has it, or nobody can have it: asking again would change nothing.
  const refused = problem !== undefined && problem.status >= 400 && problem.status < 500
  const over = refused || (value !== undefined && isEnded(value.saga))
  useStream(over ? null : api.eventsOf(id), { on: { message: soon, ended: soon }, opened: soon })
  useEffect(() => {
    if (version > 0) soon()
  }, [version, soon])
  return loaded
}

export function Detail({ id, place, go, session, version }: Props) {
  const { value, problem, load } = useSaga(id, version)
  const [asking, ask] = useState<Action>()
  const close = (
    <To {...{ place, go }} to={{ saga: undefined }} class="close" title="Back to the list (Esc)">
      <span aria-hidden="true">←</span> All sagas
    </To>
  )
  if (!value) {
    return (
      <article class="detail">
        {close}
        {problem ? (
          <Trouble problem={problem} again={load} />
        ) : (
          <p class="loading-text">Loading {safe(id)}</p>
        )}
      </article>
    )
  }
  const { saga, journal, workers } = value
  return (
    <article class="detail" aria-label={`Saga ${safe(saga.id)}`}>
      {close}
      {problem && <Trouble problem={problem} again={load} />}
      <Head {...{ saga, workers, ask }} mayAct={mayAct(session)} />
      <Tabs {...{ place, go }} />
      {place.tab === 'timeline' && <TimelineTab {...{ saga, journal, place, go }} />}
      {place.tab === 'journal' && <Journal {...{ journal }} />}
      {place.tab === 'payloads' && <Payloads {...{ saga }} hidden={session?.payloads === false} />}
      {asking && (
        <ActionDialog
          action={asking}
          {...{ saga, workers }}
          close={(done) => {
            ask(undefined)
            if (done) load()
          }}
        />
      )}
    </article>
  )
}

type HeadProps = Pick<Whole, 'saga' | 'workers'> & {
  readonly mayAct: boolean
  readonly ask: (action: Action) => void
}

function Head({ saga, workers, mayAct, ask }: HeadProps) {
  const ended = isEnded(saga)
  const title = useRef<HTMLHeadingElement>(null)
  // Who opens a saga by keys goes on from here, not from its row, and who is read to hears what it is.
  useEffect(() => title.current?.focus(), [])
  const now = useNow(ended ? 0 : 1_000)
  const kind = kindOf(saga)
  return (
    <header class={`head ${kind}`}>
      <div class="title">
        <h1 ref={title} tabIndex={-1}>
          {safe(saga.id)}
        </h1>
        <State kind={kind} />
        {saga.late && <em class="tag">late</em>}
      </div>
      {/* The server's own sentence, counted on each second by the function that makes it there. */}
      <p class="why">{safe(ended ? endText(saga) : capital(why(saga, now, workers)))}</p>
      <dl class="facts">
        <Fact name="Definition" text={`${saga.name}@${saga.version}`} />
        <Fact name="Submitted" text={timeText(saga.submittedAt, now)} />
        {saga.endedAt === null ? (
          <Fact name="Age" text={lasting(Math.max(0, now - saga.submittedAt))} />
        ) : (
          <Fact name="Took" text={lasting(saga.endedAt - saga.submittedAt)} />
        )}
        <Fact
          name="Keys"
          text={saga.keys === null ? 'none: it runs alone' : saga.keys.join(', ') || 'no key'}
        />
        {saga.deadline !== null && <Fact name="Deadline" text={deadlineText(saga.deadline, now, ended)} />}
        {saga.owner !== null && !saga.blocked && (
          <Fact name="Runs in" text={`process ${processOf(saga.owner)}`} />
        )}
        {saga.wayBack && !ended && <Fact name="Turned back" text={turnedText(saga.wayBack)} />}
      </dl>
      {mayAct && !ended && <Actions {...{ saga, ask }} versions={versionsFor(saga, workers)} />}
    </header>
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function endText({ status, late, wayBack }: SagaView): string {
  if (status === 'committed') return 'Every step stands.'
  const after = late ? ', nor what took effect late' : ''
  return `${wayBack ? `Turned back: ${turnedText(wayBack)}. ` : ''}No step stands${after}.`
}

const deadlineText = (deadline: number, now: number, ended: boolean): string =>
  ended
    ? timeText(deadline, now)
    : deadline > now
      ? `in ${lasting(deadline - now)}`
      : `${lasting(now - deadline)} ago`

function turnedText({ reason, step, actor, message }: NonNullable<SagaView['wayBack']>): string {
  if (reason === 'cancelled') return `cancelled by ${actor ?? 'somebody'}${message ? `: ${message}` : ''}`
  const word = {
    rejected: 'was rejected',
    in_doubt: 'was in doubt',
    timeout: 'ran out of time',
    deadline: 'missed the deadline',
    crash_loop: 'kept killing its process',
  }[reason]
  return step === undefined ? `it ${word}` : `${step} ${word}`
}

const Fact = ({ name, text }: { readonly name: string; readonly text: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{safe(text)}</dd>
  </div>
)

const tabs: readonly (readonly [Tab, string])[] = [
  ['timeline', 'Timeline'],
  ['journal', 'Journal'],
  ['payloads', 'Payloads'],
]

const Tabs = ({ place, go }: Pick<Props, 'place' | 'go'>) => (
  <nav class="tabs" aria-label="About this saga">
    {tabs.map(([tab, word]) => (
      <To key={tab} {...{ place, go }} to={{ tab }} aria-current={place.tab === tab ? 'page' : undefined}>
        {word}
      </To>
    ))}
  </nav>
)

/** Lanes that a browser draws at once. */
const mostSteps = 60

function TimelineTab({
  saga,
  journal,
  place,
  go,
}: Pick<Whole, 'saga' | 'journal'> & Pick<Props, 'place' | 'go'>) {
  const now = useNow(isEnded(saga) ? 0 : 500)
  const { shown: steps, more } = useFew(saga.steps, mostSteps, focusOf(saga.steps), 'Steps')
  return (
    <>
      {more}
      <Timeline {...{ journal, now, steps }} true_={place.scale} />
      <div class="under">
        <Legend />
        <label class="check">
          <input
            type="checkbox"
            checked={place.scale}
            onChange={(event) => go({ scale: event.currentTarget.checked })}
          />
          True to scale
        </label>
      </div>
      <Steps {...{ steps }} />
      <Waits {...{ saga, place, go }} />
    </>
  )
}

const Legend = () => (
  <ul class="legend" aria-label="Legend">
    <li class="k-commit">commit</li>
    <li class="k-rollback">rollback</li>
    <li class="k-failed">failed</li>
    <li class="k-doubt">in doubt</li>
    <li class="k-pause">pause</li>
    <li class="k-stands">in effect</li>
  </ul>
)
