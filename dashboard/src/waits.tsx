/**
 * Who waits for whom, and for which key. The server knows of each saga what it waits for; the other direction is found by looking at those
 * that may wait, so many at most: the oldest in line, those next behind a certain saga, and those that went back late and want their
 * keys again. That there are others is said.
 */
import type { SagaView } from 'backstep'
import { useState } from 'preact/hooks'
import { safe } from '#dist/runtime/text.js'
import type { Go, Place } from './address.js'
import { api, type Waiter } from './api.js'
import { Glyph } from './glyph.js'
import { useLoaded } from './hooks.js'
import { To } from './list.js'
import { Trouble } from './trouble.js'
import { isEnded, type Kind, plural } from './words.js'

type Obstacle = SagaView['waitsFor'][number]

export interface Wait {
  readonly waiter: Waiter
  readonly for_: Obstacle
}

/** Of each kind, so many are looked at. */
const most = 200

/** What sagas wait for: those that are queued longest, and those next behind `saga`. `all`: there are no others. */
export async function findWaits(
  saga?: SagaView,
): Promise<{ readonly waits: readonly Wait[]; readonly all: boolean }> {
  const queued = { status: 'queued', order: 'oldest' } as const
  const pages = await Promise.all([
    api.waits(queued, most),
    api.waits({ status: 'rolling_back', show: 'late', order: 'oldest' }, most),
  ])
  const all = pages.every(({ next }) => !next)
  if (!all && saga) pages.push(await api.waits({ ...queued, after: saga.cursor }, most))
  const waiters = new Map(pages.flatMap(({ sagas }) => sagas.map((waiter) => [waiter.id, waiter])))
  const waits = [...waiters.values()].flatMap((waiter) => waiter.waitsFor.map((for_) => ({ waiter, for_ })))
  return { waits, all }
}

interface Props {
  readonly place: Place
  readonly go: Go
}

const kindOfObstacle = ({ stuck, blocked, stage }: Obstacle): Kind =>
  blocked ? 'blocked' : stuck ? 'stuck' : stage === 'holding' ? 'running' : 'queued'

const ToSaga = ({ id, place, go }: Props & { readonly id: string }) => (
  <To {...{ place, go }} to={{ room: 'sagas', saga: id, tab: 'timeline' }} class="id">
    {safe(id)}
  </To>
)

/** In the page of one saga: both directions. */
export function Waits({ saga, place, go }: Props & { readonly saga: SagaView }) {
  const [look, setLook] = useState<string>()
  if (isEnded(saga)) return null
  return (
    <section class="waits" aria-label="Who waits for whom">
      <h2>Keys</h2>
      {saga.waitsFor.length > 0 && (
        <ul>
          {saga.waitsFor.map((obstacle) => (
            <li key={`${obstacle.id} ${obstacle.key}`}>
              <Glyph kind={kindOfObstacle(obstacle)} />
              <span>
                waits for <ToSaga {...{ place, go }} id={obstacle.id} />
                {obstacle.key === null
                  ? ', since one of the two has no keys'
                  : obstacle.stage === 'holding'
                    ? ', which holds '
                    : ', which is before it in line for '}
                {obstacle.key !== null && <code>{safe(obstacle.key)}</code>}
              </span>
            </li>
          ))}
        </ul>
      )}
      {saga.waitsFor.length === 0 && <p class="note">It waits for no other saga.</p>}
      {look === saga.id ? (
        <WaitersOf {...{ saga, place, go }} />
      ) : (
        <button type="button" onClick={() => setLook(saga.id)}>
          Who waits for it?
        </button>
      )}
    </section>
  )
}

function WaitersOf({ saga, place, go }: Props & { readonly saga: SagaView }) {
  const { value, problem, load } = useLoaded(`waiters ${saga.id}`, () => findWaits(saga))
  if (problem) return <Trouble problem={problem} again={load} />
  if (!value) return <p class="note">Looking along the lines</p>
  const found = value.waits.filter(({ for_ }) => for_.id === saga.id)
  return (
    <>
      {found.length > 0 && (
        <ul>
          {found.map(({ waiter, for_ }) => (
            <li key={`${waiter.id} ${for_.key}`}>
              <Glyph kind="queued" />
              <span>
                <ToSaga {...{ place, go }} id={waiter.id} /> waits for it
                {for_.key !== null && ' to let go of '}
                {for_.key !== null && <code>{safe(for_.key)}</code>}
              </span>
            </li>
          ))}
        </ul>
      )}
      <p class="note">
        {found.length === 0
          ? 'Nobody waits for it'
          : `${plural(new Set(found.map(({ waiter }) => waiter.id)).size, 'saga')} found`}
        {value.all ? '.' : `, among the ${most} that are queued longest, and the ${most} next behind it.`}
      </p>
    </>
  )
}

/** All lines: each saga that is in the way, the key, and who stands behind it. */
export function Lines({ place, go }: Props) {
  const { value, problem, load } = useLoaded('lines', () => findWaits())
  if (!value)
    return problem ? (
      <Trouble problem={problem} again={load} />
    ) : (
      <p class="loading-text">Looking along the lines</p>
    )
  const lines = new Map<string, { for_: Obstacle; waiters: Waiter[] }>()
  for (const { waiter, for_ } of value.waits) {
    const name = JSON.stringify([for_.id, for_.key])
    const line = lines.get(name) ?? { for_, waiters: [] }
    line.waiters.push(waiter)
    lines.set(name, line)
  }
  const sorted = [...lines].sort(
    ([, a], [, b]) => rank(b.for_) - rank(a.for_) || b.waiters.length - a.waiters.length,
  )
  return (
    <section class="lines" aria-label="Who waits for whom">
      <header>
        <h1>Who waits for whom</h1>
        <button type="button" onClick={load}>
          Look again
        </button>
      </header>
      {sorted.length === 0 && (
        <div class="nothing">
          <p>Nobody waits for anybody.</p>
        </div>
      )}
      <ul>
        {sorted.map(([name, { for_, waiters }]) => (
          <li key={name} class={kindOfObstacle(for_)}>
            <div class="holder">
              <Glyph kind={kindOfObstacle(for_)} />
              <ToSaga {...{ place, go }} id={for_.id} />
              <span>{for_.stage === 'holding' ? 'holds' : 'is in line for'}</span>
              {for_.key === null ? (
                <span>everything: one of them has no keys</span>
              ) : (
                <code>{safe(for_.key)}</code>
              )}
              {for_.stuck && <em class="tag stuck">stuck</em>}
              {for_.blocked && <em class="tag blocked">blocked</em>}
            </div>
            <ol>
              {waiters.map(({ id }) => (
                <li key={id}>
                  <ToSaga {...{ place, go }} id={id} />
                </li>
              ))}
            </ol>
          </li>
        ))}
      </ul>
      {!value.all && <p class="note">Among the {most} that are queued longest.</p>}
    </section>
  )
}

const rank = ({ stuck, blocked, stage }: Obstacle): number =>
  stuck ? 4 : blocked ? 3 : stage === 'holding' ? 2 : 1
