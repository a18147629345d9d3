/**
 * Sends flushes over a connection of their own, one after the other; `sent` is called when the next may be made ready behind it.
 *
 * Invariants
 * - A flush is sent once the one before it is over, with all that was sent again of it: the order of the calls is the order of effects.
 * - Each new connection first ends whatever an older one may have left behind (fence_1): so a flush that is sent again cannot meet its
 *   former self. A claim of the older one has then either committed, and `owned` finds it, or never will.
 * - Where somebody else was in the way, nothing was done, and it is sent again, a bounded number of times.
 * - A flush that fails by the data of one write is sent again write by write: the bad one is refused, the others stand.
 * - A flush whose submits meet an id that somebody's open transaction has taken is sent again in halves: only who wants that id is
 *   refused. Waiting for him would keep all processes waiting, since it is done with the line in hand.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Result, Write } from '../../store/store.js'
import { Afterwards } from './afterwards.js'
import { type Answer, resultsOf } from './answers.js'
import { type Batch, batchesOf, parametersOf, partsOf, refsOf } from './batch.js'
import type { Definitions } from './definitions.js'
import { asText, type Client } from './driver.js'
import {
  idIsTaken,
  isAboutData,
  isAboutSubmits,
  isInTheWay,
  isOutdated,
  isUnprepared,
  messageOf,
} from './failures.js'
import { type Connected, Link } from './link.js'
import { quoted } from './migrations.js'

const attempts = 5
/** Of one submit whose id somebody is about to take: the others of this process wait for the end of it. */
const attemptsForAnId = 3
/** So long after an id was found held by an open transaction, ms, it is asked for apart from the others, and once. */
const heldFor = 2_000

const nothing = () => {}

/** When a flush may be sent, and whom it tells what. */
interface Turn {
  readonly before?: Promise<void>
  /** It has been sent: the next may be made ready. */
  readonly sent?: () => void
  /** The next may be sent. */
  readonly over?: () => void
}

const nobody: Turn = {}

/** What flush_1 answers; undefined: appends, all of which landed. */
type Row = readonly (string | null)[] | undefined

const applied: Result = { type: 'applied' }

/** It waits, and somebody else may be able to start it. */
const isQueued = ({ write, result }: Answer): boolean =>
  write.type === 'submit' && result.type === 'applied' && result.token === undefined

/** Appends of owners, and nothing else. */
const isUsual = (rest: readonly unknown[]): boolean =>
  rest[1] !== null && rest.every((value, i) => value === null || (i > 0 && i < 6))

export class Flusher {
  readonly #link: Link
  readonly #definitions: Definitions
  readonly #afterwards: Afterwards
  readonly #text: string
  readonly #fence: string
  readonly #schema: string
  readonly #appendText: string
  readonly #timeout: number
  #prepares = true
  #session = 0
  #epoch = 0
  /** Ids that open transactions of others have taken, and when that was found. */
  readonly #held = new Map<string, number>()
  /** Settles when the call before is over. */
  #turn: Promise<void> = Promise.resolve()
  /** Told when sagas were left for others, or woken. */
  readonly #woke: () => void

  constructor(
    open: () => Promise<Connected>,
    schema: string,
    definitions: Definitions,
    timeout: number,
    woke: () => void,
  ) {
    const name = quoted(schema)
    const places = Array.from({ length: 31 }, (_, i) => `$${i + 1}`).join()
    this.#text = `SELECT * FROM ${name}.flush_1(${places})`
    this.#appendText = `SELECT ${name}.append_1($1, $2, $3, $4, $5, $6, $7)`
    this.#schema = schema
    this.#fence = `SELECT ${name}.fence_1($1)`
    this.#definitions = definitions
    this.#woke = woke
    this.#timeout = timeout
    this.#link = new Link(open, (client) => this.#enter(client), timeout)
    this.#afterwards = new Afterwards(this.#link, schema)
  }

  get link(): Link {
    return this.#link
  }

  /** Throws what the driver throws; then the outcome is unknown. */
  async apply(writes: readonly Write[], sent: () => void): Promise<Result[]> {
    const results: Result[] = new Array(writes.length)
    const unknown = (index: number) => {
      results[index] = { type: 'refused', error: new Error('unknown kind of write') }
    }
    const batches = batchesOf(writes, unknown, this.#isHeld)
    const turn = this.#inTurn()
    try {
      for (const batch of batches) {
        const isLast = batch === batches.at(-1)
        await this.#applyBatch(batch, results, isLast ? { ...turn, sent } : { before: turn.before })
      }
    } finally {
      turn.over()
    }
    return results
  }

  readonly #isHeld = (id: string): boolean =>
    this.#held.size > 0 && performance.now() - (this.#held.get(id) ?? -heldFor) < heldFor

  #hold(write: Write): void {
    if (write.type !== 'submit') return
    for (const id of this.#held.keys()) if (!this.#isHeld(id)) this.#held.delete(id)
    this.#held.set(write.id, performance.now())
  }

  /** `before`: when the calls before are over. `over` lets the next one go on. */
  #inTurn(): { readonly before: Promise<void>; readonly over: () => void } {
    const before = this.#turn
    let over = nothing
    this.#turn = new Promise((resolve) => {
      over = resolve
    })
    return { before, over }
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  /** A query over the same connection: after all flushes before it, and after the end of a lost one. */
  async query(
    text: string,
    values: readonly unknown[],
    sent: () => void,
  ): Promise<readonly (readonly unknown[])[]> {
    const { before, over } = this.#inTurn()
    try {
      await before
      return await this.#link.query({ text, values, types: asText }, sent)
    } finally {
      over()
    }
  }

  async #applyBatch(batch: Batch, results: Result[], turn: Turn): Promise<void> {
    let row: Row
    try {
      row = await this.#send(batch, turn)
    } catch (error) {
      return this.#applyApart(batch, results, error)
    }
    // Outside: it is done, and must not be sent again for what goes wrong here.
    for (const { write, result } of await this.#answers(batch, row))
      results[batch.at.get(write) ?? -1] = result
  }

  async #answers(batch: Batch, row: Row): Promise<Answer[]> {
    if (row === undefined) return batch.appends.map((write) => ({ write, result: applied }))
    const load = (numbers: readonly number[]) => this.#definitions.load(this.#link, numbers)
    const answers = await resultsOf(batch, row, load, this.#afterwards)
    if (row[8] === 't' ? batch.claims.length === 0 : answers.some(isQueued)) this.#woke()
    return answers
  }

  /** Nothing was done, because of one of the writes. Throws the error where it is about something else. */
  async #applyApart(batch: Batch, results: Result[], error: unknown): Promise<void> {
    const isTaken = isAboutSubmits(error)
    if (!isTaken && !isAboutData(error)) throw error
    const { writes, at } = batch
    const [first] = writes
    if (first && writes.length === 1) {
      if (isTaken) this.#hold(first)
      const reason = isTaken ? idIsTaken(error) : new Error(messageOf(error))
      results[at.get(first) ?? -1] = { type: 'refused', error: reason }
      return
    }
    const parts = isTaken ? partsOf(batch) : writes.map((write) => [write])
    for (const part of parts) await this.#applyPart(part, batch, results)
  }

  async #applyPart(writes: readonly Write[], { at }: Batch, results: Result[]): Promise<void> {
    const own: Result[] = []
    for (const batch of batchesOf(writes, nothing)) await this.#applyBatch(batch, own, nobody)
    writes.forEach((write, i) => {
      results[at.get(write) ?? -1] = own[i] ?? { type: 'refused', error: new Error('no answer') }
    })
  }

  #attemptsFor({ writes }: Batch, error: unknown): number {
    if (!isAboutSubmits(error)) return attempts
    const [first] = writes
    return first?.type === 'submit' && writes.length === 1 && !this.#isHeld(first.id) ? attemptsForAnId : 1
  }

  async #send(batch: Batch, turn: Turn): Promise<Row> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sendOnce(batch, turn)
      } catch (error) {
        if (attempt >= this.#attemptsFor(batch, error) || !(isInTheWay(error) || isOutdated(error)))
          throw error
        // Not at once, and not all at the same moment: those who met would meet again.
        await sleep(Math.random() * 10 * attempt)
      }
    }
  }

  async #sendOnce(batch: Batch, { before, sent = nothing, over = nothing }: Turn): Promise<Row> {
    const rest = await this.#parameters(batch)
    const epoch = this.#epoch
    await before
    // Another connection may know definitions by other numbers.
    const values = this.#epoch === epoch ? rest : await this.#parameters(batch)
    if (isUsual(values) && (await this.#append(values, sent))) {
      over()
      return undefined
    }
    const rows = await this.#flush([this.#session, this.#epoch, ...values], sent)
    over()
    return rows[0] as Row
  }

  async #parameters(batch: Batch): Promise<unknown[]> {
    await this.#link.ready()
    const unknown = this.#definitions.unknown(refsOf(batch))
    if (unknown) await this.#definitions.intern(this.#link, unknown)
    return parametersOf(batch, this.#definitions.numberOf)
  }

  async #append(rest: readonly unknown[], sent: () => void): Promise<boolean> {
    const values = [this.#session, this.#epoch, ...rest.slice(1, 6)]
    const rows = await this.#prepared('append_1', this.#appendText, values, sent)
    return rows[0]?.[0] === 't'
  }

  #flush(values: readonly unknown[], sent: () => void): Promise<readonly (readonly unknown[])[]> {
    return this.#prepared('flush_1', this.#text, values, sent)
  }

  /** Preparing saves a sixth of the time of a small flush. The name tells the schema, for those who share a connection. */
  async #prepared(
    name: string,
    text: string,
    values: readonly unknown[],
    sent: () => void,
  ): Promise<readonly (readonly unknown[])[]> {
    const query = { text, values, types: asText }
    if (!this.#prepares) return this.#link.query(query, sent)
    try {
      return await this.#link.query({ ...query, name: `${name} ${this.#schema}` }, sent)
    } catch (error) {
      if (!isUnprepared(error)) throw error
      this.#prepares = false
      return this.#link.query(query, sent)
    }
  }

  async #enter(client: Client): Promise<void> {
    this.#definitions.forget()
    const { rows } = await client.query({
      text: this.#fence,
      values: [this.#session],
      rowMode: 'array',
      types: asText,
      query_timeout: this.#timeout,
    })
    const [session, epoch] = String(rows[0]?.[0]).split(' ').map(Number)
    this.#session = session ?? 0
    this.#epoch = epoch ?? 0
  }
}
