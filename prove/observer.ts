/**
 * Watches what the store applies, beneath all faults: who owns what, by which token, and what follows what (P1, P6, P7).
 *
 * Invariants
 * - It believes only answers of the store, and holds them against each other: each write must be answered as the contract of
 *   store.ts says, by what was answered before.
 * - Everything it sees is in the order in which it happened.
 */
import type { Entry } from '#dist/core/entry.js'
import type { Plan } from '#dist/core/plan.js'
import type {
  AppendWrite,
  Claimed,
  ClaimWrite,
  DefinitionRef,
  Result,
  SubmitWrite,
  Write,
} from '#dist/store/store.js'
import { Admissions } from './admissions.js'
import { type Complain, Mirror } from './mirror.js'

export interface KnownWorker {
  readonly worker: string
  readonly pid: number
  leaseUntil: number
  left: boolean
  offers: ReadonlySet<string>
}

export interface Watched {
  /** How many sagas a process is to run at once. */
  readonly concurrency: number
  now(): number
  complain: Complain
  /** The plan of a definition that this history knows. */
  planOf(ref: DefinitionRef): Plan
  /** The process is known to be gone by its lock, where the store has locks. */
  isKnownDead(pid: number): boolean
  applied(pid: number, mirror: Mirror, entries: readonly Entry[], replaces: boolean): void
}

export const refText = ({ name, version, shape }: DefinitionRef): string => `${name}@${version}:${shape}`

export class Observer {
  readonly byNumber = new Map<number, Mirror>()
  readonly byId = new Map<string, Mirror>()
  readonly workers = new Map<string, KnownWorker>()
  /** Who was given which token, for which saga. */
  readonly tokens = new Map<number, { readonly n: number; readonly pid: number }>()
  readonly #watched: Watched
  readonly #admissions: Admissions
  #lastNumber = 0
  #lastToken = 0

  constructor(watched: Watched) {
    this.#watched = watched
    this.#admissions = new Admissions(this.byNumber, (mirror) => this.isOffered(mirror), watched.complain)
  }

  /** One call of `apply` was answered. */
  saw(pid: number, writes: readonly Write[], results: readonly Result[]): void {
    writes.forEach((write, i) => {
      const result = results[i]
      if (!result) this.#watched.complain('store', `no answer to a ${write.type}`)
      else this.#one(pid, write, result)
    })
  }

  isAlive({ left, leaseUntil, pid }: KnownWorker): boolean {
    return !left && leaseUntil > this.#watched.now() && !this.#watched.isKnownDead(pid)
  }

  isOffered({ plan }: Mirror): boolean {
    const ref = refText(plan)
    for (const worker of this.workers.values())
      if (worker.offers.has(ref) && this.isAlive(worker)) return true
    return false
  }

  #one(pid: number, write: Write, result: Result): void {
    if (result.type === 'refused')
      return this.#watched.complain('store', `a ${write.type} was refused: ${result.error.message}`)
    switch (write.type) {
      case 'submit':
        return this.#submit(pid, write, result)
      case 'append':
        return this.#append(pid, write, result)
      case 'claim':
        return this.#claim(pid, write, result)
      case 'join': {
        if (result.type !== 'applied') return
        const offers = new Set(write.offers.map(refText))
        const { worker } = write
        this.workers.set(worker, {
          worker,
          pid,
          leaseUntil: this.#watched.now() + write.lease,
          left: false,
          offers,
        })
        return
      }
      case 'renew':
        return this.#renew(write.worker, write.lease, result)
      case 'leave': {
        const known = this.workers.get(write.worker)
        if (known) known.left = true
        return
      }
      case 'prune':
        return this.#prune(write.n, result)
    }
  }

  #renew(name: string, lease: number, result: Result): void {
    const worker = this.workers.get(name)
    if (result.type !== 'applied') return
    if (!worker || !this.isAlive(worker)) this.#watched.complain('P6', `a dead worker's lease was renewed`)
    else worker.leaseUntil = this.#watched.now() + lease
  }

  #prune(n: number, result: Result): void {
    const mirror = this.byNumber.get(n)
    if (result.type !== 'applied' || !mirror) return
    if (!mirror.isEnded)
      this.#watched.complain('P1', `${mirror.id} was pruned while it is ${mirror.state.status}`)
    mirror.pruned = true
  }

  // Submits

  #submit(pid: number, write: SubmitWrite, result: Result): void {
    const { complain } = this.#watched
    const known = this.byId.get(write.id)
    if (result.type === 'conflict') return this.#conflicts(write, known)
    if (result.type !== 'applied' || result.n === undefined)
      return complain('store', `${write.id}: a submit was answered ${result.type}`)
    if (!known) return this.#isNew(pid, write, result.n, result.token)
    if (known.uid !== write.uid || known.n !== result.n)
      complain('P1', `${write.id} was stored twice, as ${known.n} and ${result.n}`)
  }

  #conflicts({ id, uid }: SubmitWrite, known: Mirror | undefined): void {
    const { complain } = this.#watched
    if (!known) complain('P1', `${id}: a submit conflicts with a saga that nobody has seen`)
    else if (known.uid === uid) complain('P1', `${id}: a submit conflicts with itself`)
  }

  #isNew(pid: number, write: SubmitWrite, n: number, token: number | undefined): void {
    const { complain, planOf, applied } = this.#watched
    if (n <= this.#lastNumber) complain('P7', `${write.id} has number ${n} after ${this.#lastNumber}`)
    this.#lastNumber = n
    const { id, uid, keys, deadline, at, start } = write
    const entries = token !== undefined && start ? [...write.entries, ...start.entries] : write.entries
    const row = { n, id, uid, keys, deadline }
    const mirror = new Mirror(planOf(write.definition), row, { seq: 0, at, entries }, complain)
    this.byNumber.set(n, mirror)
    this.byId.set(id, mirror)
    if (token !== undefined && start) {
      this.#admissions.grant(mirror)
      this.#own(pid, mirror, token, start.worker)
    }
    applied(pid, mirror, entries, false)
  }

  // Appends

  #append(pid: number, write: AppendWrite, result: Result): void {
    const mirror = this.byNumber.get(write.n)
    const { complain } = this.#watched
    if (!mirror) return complain('store', `an append to saga number ${write.n}, which nobody has seen`)
    if (result.type !== 'applied') return this.#notAppended(mirror, write, result)
    const { token, seq } = write
    if (mirror.pruned) complain('P1', `${mirror.id} was written to after it was pruned`)
    if (!isOwn(write, mirror))
      complain('P6', `${mirror.id}: a write with token ${token} landed, its owner has ${mirror.token}`)
    if (token !== null && this.tokens.get(token)?.pid !== pid)
      complain('P6', `${mirror.id}: process ${pid} wrote with the token ${token} of another`)
    if (follows(write, mirror)) this.#appended(pid, mirror, write)
    // It may be there already: a flush whose answer was lost has been sent again.
    else if (!isSame(write, mirror))
      complain('journal', `${mirror.id}: chunk ${seq} landed behind chunk ${mirror.chunks.length - 1}`)
  }

  #appended(pid: number, mirror: Mirror, write: AppendWrite): void {
    const { seq, at, entries, replace, summary } = write
    mirror.add({ seq, at, entries }, replace)
    if (summary?.definition) mirror.rebind(this.#watched.planOf(summary.definition))
    mirror.summarise(write, this.#watched.now())
    this.#watched.applied(pid, mirror, entries, replace)
  }

  #notAppended(mirror: Mirror, write: AppendWrite, { type }: Result): void {
    const { complain } = this.#watched
    if (mirror.pruned) return
    if (type === 'superseded') {
      if (isOwn(write, mirror)) complain('P6', `${mirror.id}: its owner was told that it is superseded`)
    } else if (type !== 'conflict') complain('store', `an append was answered ${type}`)
    else if (follows(write, mirror) && isOwn(write, mirror))
      complain('journal', `${mirror.id}: chunk ${write.seq} follows, and conflicts`)
  }

  // Claims

  #claim(pid: number, write: ClaimWrite, result: Result): void {
    const { complain } = this.#watched
    if (result.type !== 'claimed') return
    const worker = this.workers.get(write.worker)
    if (!worker || !this.isAlive(worker)) complain('P6', `a claim of a dead worker was answered`)
    if (result.sagas.length > write.limit)
      complain('store', `${result.sagas.length} sagas for a claim of ${write.limit}`)
    for (const claimed of result.sagas) this.#claimed(pid, write.worker, claimed)
    this.#judgeBound(write.worker)
  }

  /**
   * One that is about to leave gives its place away; if its last write does not land, it stays. And one claim whose answer was lost
   * comes on top, until what it gave is found.
   */
  #judgeBound(worker: string): void {
    const { concurrency, complain } = this.#watched
    const bound = 3 * concurrency
    let owned = 0
    for (const { owner } of this.byNumber.values()) if (owner === worker) owned++
    if (owned > bound) complain('bound', `a process owns ${owned} sagas, and should own ${bound} at most`)
  }

  #claimed(pid: number, name: string, { saga, token }: Claimed): void {
    const { complain, now } = this.#watched
    const mirror = this.byNumber.get(saga.n)
    if (!mirror) return complain('P1', `saga number ${saga.n} was claimed, and never stored`)
    const owner = mirror.owner === null ? undefined : this.workers.get(mirror.owner)
    if (owner && this.isAlive(owner))
      complain('P6', `${saga.id} was claimed while ${owner.pid} owned it, alive`)
    if (mirror.isEnded) complain('P2', `${saga.id} was claimed after its end`)
    if (!this.workers.get(name)?.offers.has(refText(mirror.plan)))
      complain('P8', `${saga.id} was claimed by one who does not offer ${refText(mirror.plan)}`)
    if (mirror.due !== null && !owner && mirror.due > now() + 1)
      complain('P5', `${saga.id} was claimed ${mirror.due - now()} ms before it was due`)
    if (saga.chunks.length !== mirror.chunks.length)
      complain('journal', `${saga.id}: a claim gave ${saga.chunks.length} chunks of ${mirror.chunks.length}`)
    if (saga.stage === 'holding' && mirror.stage === 'waiting') this.#admissions.grant(mirror)
    if (saga.stage === 'waiting' && (mirror.deadline ?? Infinity) > now())
      complain('P7', `${saga.id} was claimed without its keys, before its deadline`)
    this.#own(pid, mirror, token, name)
  }

  #own(pid: number, mirror: Mirror, token: number, worker: string): void {
    if (token <= this.#lastToken)
      this.#watched.complain('P6', `${mirror.id} was given token ${token} after ${this.#lastToken}`)
    this.#lastToken = Math.max(this.#lastToken, token)
    this.tokens.set(token, { n: mirror.n, pid })
    mirror.token = token
    mirror.owner = worker
    mirror.due = null
  }
}

const isOwn = ({ token }: AppendWrite, mirror: Mirror): boolean => token === null || token === mirror.token

const follows = ({ seq, replace }: AppendWrite, { chunks }: Mirror): boolean =>
  seq === (replace ? chunks.length - 1 : chunks.length)

function isSame({ seq, at, entries }: AppendWrite, { chunks }: Mirror): boolean {
  const there = chunks[seq]
  return (
    there?.at === at &&
    (there.entries === entries || JSON.stringify(there.entries) === JSON.stringify(entries))
  )
}
