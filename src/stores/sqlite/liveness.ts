/**
 * Which processes are there. Each worker holds an OS lock on a side file for as long as its process lives, so that a killed
 * one is known to be dead at once; its lease only judges a process that is frozen.
 *
 * Invariants
 * - The lock is taken before the worker's row becomes visible, and given back after the row says that it has left.
 * - The kernel drops the lock with the process, however that ends. A lock that can be taken belongs to nobody.
 * - The lock is SQLite's own, on an empty database that is never written: it works wherever the store itself does.
 */
import { rmSync } from 'node:fs'
import type { Database as Driver } from 'better-sqlite3'
import type { OpenDriver } from './connection.js'
import { isBusy, sqliteCode } from './failures.js'

/** One look at another worker opens and closes a file (about 50 µs). */
const lookEvery = 250
/** Somebody who looks holds the lock for an instant. */
const busyMoment = 2_000

export class Liveness {
  readonly #openDriver: OpenDriver
  readonly #path: string
  readonly #monotonic: () => number
  readonly #held = new Map<number, Driver>()
  readonly #dead = new Set<number>()
  #lookedAt = -Infinity

  constructor(openDriver: OpenDriver, path: string, monotonic = () => performance.now()) {
    this.#openDriver = openDriver
    this.#path = path
    this.#monotonic = monotonic
  }

  /** This process runs worker `w` from now on. False: it did already. */
  hold(w: number): boolean {
    if (this.#held.has(w)) return false
    const lock = this.#openDriver(this.#file(w), { timeout: busyMoment })
    try {
      takeLock(lock)
    } catch (error) {
      lock.close()
      throw error
    }
    this.#held.set(w, lock)
    return true
  }

  /** This process no longer runs worker `w`. */
  release(w: number): void {
    this.#held.get(w)?.close()
    this.#held.delete(w)
    this.sweep(w)
  }

  releaseAll(): void {
    for (const w of [...this.#held.keys()]) this.release(w)
  }

  /** Removes what a dead worker left behind. */
  sweep(w: number): void {
    this.#dead.delete(w)
    try {
      rmSync(this.#file(w), { force: true })
    } catch {
      // An empty file that stays behind does no harm; the commit that made it useless has gone through.
    }
  }

  isKnownDead(w: number): boolean {
    return this.#dead.has(w)
  }

  /** Looks at the others, unless that was done a moment ago. */
  look(workers: Iterable<number>): void {
    const now = this.#monotonic()
    if (now - this.#lookedAt < lookEvery) return
    this.#lookedAt = now
    for (const w of workers)
      if (!this.#held.has(w) && !this.#dead.has(w) && this.#isFree(w)) this.#dead.add(w)
  }

  /** The next look is not put off. */
  expire(): void {
    this.#lookedAt = -Infinity
  }

  #isFree(w: number): boolean {
    let lock: Driver | undefined
    try {
      lock = this.#openDriver(this.#file(w), { fileMustExist: true, timeout: 0 })
      takeLock(lock)
      return true
    } catch (error) {
      // No file: its owner has left, or somebody removed it. Anything else is no proof of death; the lease judges.
      return !isBusy(error) && sqliteCode(error) === 'SQLITE_CANTOPEN'
    } finally {
      lock?.close()
    }
  }

  #file(w: number): string {
    return `${this.#path}-worker-${w}`
  }
}

/** Without a journal there is nothing to leave behind but the file itself. */
function takeLock(lock: Driver): void {
  lock.pragma('journal_mode = MEMORY')
  lock.exec('BEGIN EXCLUSIVE')
}
