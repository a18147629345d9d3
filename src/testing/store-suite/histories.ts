/**
 * Many random histories, each on a place of its own; one that fails is made as short as it can be, and says its seed.
 *
 * Invariant: history number i of seed s is the first one of seed s + i, so that a seed alone replays it.
 */
import { AssertionError } from 'node:assert/strict'
import type { Store } from '../../store/store.js'
import { History } from './history.js'
import { drawMoves, type Move, movesText } from './moves.js'

/** Runs with an opened store over a place with nothing in it, and removes both. */
export type WithStore = (run: (store: Store) => Promise<void>) => Promise<void>

export interface Played {
  /** Sagas that started … */
  started: number
  /** … and those that wanted to at once and had to wait. */
  waited: number
}

/** Replays for making one history shorter: a second or two on a file. */
const mostReplays = 300

/**
 * @param seed whole; of the first history
 * @returns what the histories were worth: one in which nothing starts shows nothing
 */
export async function playHistories(
  withStore: WithStore,
  { histories, seed }: { readonly histories: number; readonly seed: number },
): Promise<Played> {
  const played: Played = { started: 0, waited: 0 }
  for (let i = 0; i < histories; i++) {
    const moves = drawMoves(seed + i)
    const error = await failureOf(withStore, moves, played)
    if (error !== undefined) throw await report(withStore, seed + i, moves, error)
  }
  return played
}

async function failureOf(withStore: WithStore, moves: readonly Move[], played?: Played): Promise<unknown> {
  try {
    await withStore(async (store) => {
      const history = new History(store)
      await history.play(moves)
      if (!played) return
      played.started += history.started
      played.waited += history.waited
    })
    return undefined
  } catch (error) {
    return error ?? new Error('something threw nothing')
  }
}

/** Leaves out moves, ever fewer at a time, as long as it still fails. */
async function shorten(
  withStore: WithStore,
  all: readonly Move[],
  first: unknown,
): Promise<{ readonly moves: readonly Move[]; readonly error: unknown }> {
  let moves = all
  let error = first
  let replays = 0
  for (let size = moves.length >> 1; size > 0 && replays < mostReplays; ) {
    let isShorter = false
    for (let at = 0; at < moves.length && replays < mostReplays; replays++) {
      const fewer = moves.toSpliced(at, size)
      const failure = await failureOf(withStore, fewer)
      if (failure === undefined) at += size
      else {
        moves = fewer
        error = failure
        isShorter = true
      }
    }
    if (!isShorter || size > 1) size >>= 1
  }
  return { moves, error }
}

async function report(
  withStore: WithStore,
  seed: number,
  all: readonly Move[],
  first: unknown,
): Promise<AssertionError> {
  const { moves, error } = await shorten(withStore, all, first)
  const what = error instanceof Error ? error.message : String(error)
  const message = [
    `the random history of seed ${seed} breaks the contract: ${what}`,
    `It fails with ${moves.length} of its ${all.length} moves, after worker 0 has joined with definitions 0 and 1, and worker 1 with 1 and 2:`,
    movesText(moves),
    `Again: storeSuite(subject, { seed: ${seed}, histories: 1 })`,
  ].join('\n')
  return Object.assign(new AssertionError({ message }), { cause: error })
}
