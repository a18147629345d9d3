/**
 * Who may still wait while something stays broken (P2, P8): the broken ones and those that share their keys, each visibly.
 */
import { type Orchestrator, why } from 'backstep'
import { conflict } from './admissions.js'
import type { Mirror } from './mirror.js'
import type { Observer } from './observer.js'
import type { Character } from './world.js'

/** Sagas that have not ended and share nothing with what is broken. */
export function wronglyWaiting(observer: Observer, characters: ReadonlyMap<string, Character>): Mirror[] {
  const unfinished = [...observer.byNumber.values()].filter(({ isEnded }) => !isEnded)
  const broken = new Set(unfinished.filter((saga) => isBroken(saga, observer, characters)))
  return unfinished.filter((saga) => {
    if (broken.has(saga)) return false
    for (const other of broken) {
      if (other.stage === 'holding' && conflict(saga.keys, other.keys)) return false
    }
    return true
  })
}

function isBroken(saga: Mirror, observer: Observer, characters: ReadonlyMap<string, Character>): boolean {
  const { stuck, poison } = characters.get(saga.id) ?? {}
  if (!observer.isOffered(saga)) return true
  return (
    saga.stage === 'holding' &&
    saga.state.wayBack !== undefined &&
    (stuck !== undefined || poison?.direction === 'rollback')
  )
}

/** Every saga that waits says why, and until when. */
export async function invisible(observer: Observer, reader: Orchestrator, now: number): Promise<string[]> {
  const wrong: string[] = []
  for (const { id, isEnded, pruned } of observer.byNumber.values()) {
    if (isEnded || pruned) continue
    const view = await reader.get(id)
    if (!view) {
      wrong.push(`${id} is not to be seen`)
      continue
    }
    const steps = view.steps.some(({ nextAt, since }) => nextAt !== undefined || since !== undefined)
    const hasReason =
      view.blocked || view.waitsFor.length > 0 || view.owner !== null || view.dueAt !== null || steps
    if (!hasReason) wrong.push(`${id} is ${view.status}, and nobody says why: ${why(view, now)}`)
    if (why(view, now) === '') wrong.push(`${id}: there are no words for its state`)
  }
  return wrong
}
