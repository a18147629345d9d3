/**
 * What each case of the suite works on: a place of its own with nothing in it, a store over it, and whoever else comes.
 *
 * Invariant: when a case is over, however it ends, all its stores are closed and its place is gone.
 */
import { systemClock } from '../../runtime/clock.js'
import type { Queryable, Store } from '../../store/store.js'
import { Desk } from './desk.js'

/** A transaction of a user's own, open. */
export interface UserTransaction {
  /** What the user would pass to `submit` as `tx`. */
  readonly tx: Queryable
  commit(): Promise<void>
  rollback(): Promise<void>
}

/**
 * A kind of store, as the suite comes to it.
 *
 * @typeParam Data what names one place: a path, an address, a Map
 */
export interface StoreSubject<Data> {
  /** A new place with nothing in it: a folder, a schema, a Map. */
  create(): Data | Promise<Data>
  /** A store over that place, not yet opened. It may be another one each time, or the same one. */
  store(data: Data): Store
  /** Removes the place. Its stores are closed by then. */
  remove?(data: Data): void | Promise<void>
  /** Lets so many ms pass by the store's clock, which must begin at the time of this process. Default: real time passes. */
  wait?(data: Data, ms: number): void | Promise<void>
  /** Begins a transaction in the place's database. Needed exactly if the store has `submitIn`. */
  begin?(data: Data): Promise<UserTransaction>
}

export interface Bench {
  readonly store: Store
  readonly desk: Desk
  /** Another client of the same place. */
  open(): Promise<Store>
  /** Closes all clients. What is stored stays. */
  close(): Promise<void>
  /** By the store's clock. */
  wait(ms: number): Promise<void>
  now(): number
  begin(): Promise<UserTransaction>
}

export type Case = (bench: Bench) => Promise<void>

/** Cases by what they show, in groups by what they are about. */
export type Groups = Readonly<Record<string, Readonly<Record<string, Case>>>>

export async function onBench<Data>(subject: StoreSubject<Data>, run: Case): Promise<void> {
  const data = await subject.create()
  const opened = new Set<Store>()
  const open = async (): Promise<Store> => {
    const store = subject.store(data)
    await store.open()
    opened.add(store)
    return store
  }
  const close = async (): Promise<void> => {
    const stores = [...opened]
    opened.clear()
    await Promise.all(stores.map((store) => store.close()))
  }
  let waited = 0
  try {
    const store = await open()
    await run({
      store,
      desk: new Desk(store),
      open,
      close,
      wait: async (ms) => {
        if (!subject.wait) return realWait(ms)
        waited += ms
        await subject.wait(data, ms)
      },
      now: () => systemClock.now() + waited,
      begin: () => {
        if (!subject.begin) throw new TypeError('this case needs a subject with `begin`')
        return subject.begin(data)
      },
    })
  } finally {
    await close()
    await subject.remove?.(data)
  }
}

const realWait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.timer(ms, resolve)
  })
