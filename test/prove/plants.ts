/**
 * Bugs to be planted beneath a simulated fleet, in its store: each breaks a promise that the checker must notice.
 */
import type { Store } from 'backstep'
import type { Result, Write } from '#dist/store/store.js'
import { wrapStore } from '../support/wrapped-store.mjs'

type Change = (store: Store, writes: readonly Write[]) => Promise<readonly Result[]>

const through =
  (change: Change) =>
  (store: Store): Store =>
    wrapStore(store, { apply: (writes) => change(store, writes) })

/** P6: a write lands though another owns the saga. */
const withoutTokens: Change = async (store, writes) => {
  const results = [...(await store.apply(writes))]
  for (const [i, write] of writes.entries()) {
    if (write.type !== 'append' || results[i]?.type !== 'superseded') continue
    const saga = await store.find({ n: write.n })
    if (!saga || !('chunks' in saga)) continue
    const forged = { ...write, token: saga.token, seq: saga.chunks.length, replace: false }
    results[i] = (await store.apply([forged]))[0] as Result
  }
  return results
}

/** P7: a saga holds other keys than it wants. */
const withoutKeys: Change = (store, writes) =>
  store.apply(
    writes.map((write) => (write.type === 'submit' ? { ...write, keys: [`own:${write.id}`] } : write)),
  )

/** P1: it answers, and has not written. */
const forgetful: Change = async (store, writes) => {
  const kept = writes.filter(({ type, ...rest }) => type !== 'append' || !('seq' in rest) || rest.seq !== 2)
  const results = await store.apply(kept)
  return writes.map((write) => results[kept.indexOf(write)] ?? { type: 'applied' })
}

/** P5: what waits for its next attempt is due at once. */
const impatient: Change = (store, writes) =>
  store.apply(
    writes.map((write) =>
      write.type === 'append' && write.summary?.dueIn
        ? { ...write, summary: { ...write.summary, dueIn: 0 } }
        : write,
    ),
  )

/** P6: whoever asks for work is given what others are at. */
const robbing: Change = async (store, writes) => {
  const asks = writes.find(({ type }) => type === 'claim')
  if (asks?.type === 'claim') {
    const { workers } = await store.health()
    const rivals = workers.filter(({ worker, alive }) => alive && worker !== asks.worker)
    for (const { worker } of rivals.slice(0, 1)) await store.apply([{ type: 'leave', worker }])
  }
  return store.apply(writes)
}

/** P5: the count of attempts begins anew at each failure. */
const miscounting: Change = (store, writes) =>
  store.apply(
    writes.map((write) =>
      write.type === 'append'
        ? {
            ...write,
            entries: write.entries.map((entry) =>
              entry.type === 'started' && entry.attempt > 1
                ? { ...entry, attempt: entry.attempt + 1 }
                : entry,
            ),
          }
        : write,
    ),
  )

/** P2: it never gives back what a dead process owned. */
const grudging: Change = async (store, writes) => {
  const results = await store.apply(writes)
  return results.map((result) =>
    result.type === 'claimed'
      ? { ...result, sagas: result.sagas.filter(({ token }) => token % 5 !== 0) }
      : result,
  )
}

export const plants: readonly { readonly name: string; readonly plant: (store: Store) => Store }[] = [
  { name: 'the token is not checked', plant: through(withoutTokens) },
  { name: 'keys are not held', plant: through(withoutKeys) },
  { name: 'a write is answered and not made', plant: through(forgetful) },
  { name: 'a wait for the next attempt is cut short', plant: through(impatient) },
  { name: 'a live owner is robbed', plant: through(robbing) },
  { name: 'attempts are miscounted', plant: through(miscounting) },
  { name: 'what was claimed is given to nobody', plant: through(grudging) },
]
