/**
 * What must be true once everything is well again: P1 to P9 on whole sagas, and the store against what it has applied.
 *
 * Invariant: effects are looked up at the services, journals in the store; no orchestrator is asked what it believes.
 */
import type { Store } from '#dist/store/store.js'
import type { Client } from './clients.js'
import type { Faults, Kind } from './faults.js'
import type { Complain, Mirror } from './mirror.js'
import type { Observer } from './observer.js'
import type { World } from './world.js'

export interface EndScene {
  readonly observer: Observer
  readonly world: World
  readonly clients: readonly Client[]
  readonly faults: Faults
  readonly complain: Complain
  /** Effects that stand because nobody could know of them. */
  excused: number
}

export async function judgeEnds(scene: EndScene, store: Store): Promise<void> {
  for (const client of scene.clients) judgeClient(scene, client)
  for (const mirror of scene.observer.byNumber.values()) {
    judgeEffects(scene, mirror)
    judgeReason(scene, mirror)
    await judgeStored(scene, mirror, store)
  }
  judgeOrder(scene)
}

/** P1, P2: what was acknowledged is there, and what was answered still holds. */
function judgeClient({ observer, complain }: EndScene, { saga, answers }: Client): void {
  const mirror = observer.byId.get(saga.id)
  if (!mirror) return complain('P1', `${saga.id} was acknowledged, and is not stored`)
  for (const answer of answers) {
    if (answer !== mirror.state.status)
      complain('P2', `${saga.id}: a client was told ${answer}, it is ${mirror.state.status}`)
  }
}

/** P2, P4: every effect stands, or none. */
function judgeEffects(scene: EndScene, { state, plan, id }: Mirror): void {
  const { world, complain } = scene
  plan.steps.forEach(({ name, hasRollback }, index) => {
    const is = state.steps[index]?.commit.is
    const { stands } = world.serviceOf(id, name)
    if (state.status === 'committed') {
      if (stands !== (is !== 'skipped'))
        complain('P4', `${id} is committed, and ${name} (${is}) ${stands ? 'stands' : 'does not stand'}`)
      return
    }
    if (!stands || !hasRollback) return
    if (world.isExcused(id, name)) scene.excused++
    else complain('P4', `${id} is rolled back, and the effect of ${name} stands`)
  })
}

/** Whatever leaves an attempt open at a takeover may look like a crash. */
const mayLookLikeCrashes: readonly Kind[] = [
  'crash',
  'crash-in-call',
  'crash-before-write',
  'crash-after-write',
  'crash-at-start',
  'stop',
  'suspend',
  'stop-after-write',
  'suspend-after-write',
  'outage',
  'slow-write',
  'slow-answer',
  'slow-read',
  'write-not-made',
  'answer-lost',
  'partly-written',
]

/** P8: without crashes only what kills its process is ever blamed for it. */
function judgeReason({ faults, clients, complain }: EndScene, { state, id }: Mirror): void {
  if (state.wayBack?.reason !== 'crash_loop' || mayLookLikeCrashes.some((kind) => faults.counts.has(kind)))
    return
  const saga = clients.find((client) => client.saga.id === id)?.saga
  if (saga?.character.poison === undefined)
    complain('P8', `${id} is blamed for crashes in ${state.wayBack.step}, and is innocent`)
}

/** P1, and the laws of the journal: the store has what it has applied, whole and without a gap; its row says the same. */
async function judgeStored({ complain }: EndScene, mirror: Mirror, store: Store): Promise<void> {
  const { id, n, state, chunks } = mirror
  const found = await store.find(mirror.pruned ? { id } : { n })
  if (!found) return complain('P1', `${id} is gone`)
  if (found.status !== state.status)
    complain('journal', `${id}: its row says ${found.status}, its journal ${state.status}`)
  if (!('chunks' in found)) return
  if (JSON.stringify(found.chunks) !== JSON.stringify(chunks))
    complain('journal', `${id}: the store has another journal than it has applied`)
  found.chunks.forEach(({ seq, entries }, i) => {
    if (seq !== i || entries.length === 0)
      complain('journal', `${id}: chunk ${i} has number ${seq} and ${entries.length} entries`)
  })
  if (found.stage !== 'done' || found.owner !== null || found.stuck !== false || found.late !== state.late)
    complain(
      'journal',
      `${id}: its row is ${found.stage}, owner ${found.owner}, stuck ${found.stuck}, late ${found.late}`,
    )
}

/** P7: if A was stored, as somebody was told, before B was submitted, A has the lower number. */
function judgeOrder({ clients, observer, complain }: EndScene): void {
  for (const a of clients) {
    for (const b of clients) {
      if (a.storedAt >= b.calledAt || b.calledAt === 0) continue
      const [first, second] = [observer.byId.get(a.saga.id), observer.byId.get(b.saga.id)]
      if (first && second && first.n > second.n)
        complain('P7', `${second.id} has number ${second.n}, and ${first.id}, stored before it, ${first.n}`)
    }
  }
}
