/**
 * Sends flushes over a connection of their own, one after the other; `sent` is called when the next may queue up behind.
 *
 * Invariants
 * - Each new connection first ends whatever an older one may have left behind (fence_1): so a flush that is sent again cannot meet its
 *   former self. A claim of the older one has then either committed, and `owned` finds it, or never will.
 * - Where somebody else was in the way, nothing was done, and it is sent again, a bounded number of times.
 * - A flush that fails by the data of one write is sent again write by write: the bad one is refused, the others stand.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Result, Write } from '../../store/store.js'
import { type Answer, resultsOf } from './answers.js'
import { type Batch, batchesOf, parametersOf, refsOf } from './batch.js'
import type { Definitions } from './definitions.js'
import { asText, type Client } from './driver.js'
import { isAboutData, isInTheWay, isOutdated, isUnprepared, messageOf } from './failures.js'
import { type Connected, Link } from './link.js'
import { quoted } from './migrations.js'

const attempts = 5

const nothing = () => {}

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
  readonly #text: string
  readonly #fence: string
  readonly #schema: string
  readonly #appendText: string
  readonly #timeout: number
  #prepares = true
  #session = 0
  #epoch = 0
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
  }

  get link(): Link {
    return this.#link
  }

  /** Throws what the driver throws; then the outcome is unknown. */
  async apply(writes: readonly Write[], sent: () => void): Promise<Result[]> {
    const results: Result[] = new Array(writes.length)
    const batches = batchesOf(writes, (index) => {
      results[index] = { type: 'refused', error: new Error('unknown kind of write') }
    })
    for (const batch of batches)
      await this.#applyBatch(batch, results, batch === batches.at(-1) ? sent : nothing)
    return results
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  /** A query over the same connection: after all flushes before it, and after the end of a lost one. */
  query(
    text: string,
    values: readonly unknown[],
    sent: () => void,
  ): Promise<readonly (readonly unknown[])[]> {
    return this.#link.query({ text, values, types: asText }, sent)
  }

  async #applyBatch(batch: Batch, results: Result[], sent: () => void): Promise<void> {
    try {
      const answers = await this.#send(batch, sent)
      for (const { write, result } of answers) results[batch.at.get(write) ?? -1] = result
    } catch (error) {
      if (!isAboutData(error)) throw error
      for (const write of batch.writes) {
        const index = batch.at.get(write) ?? -1
        results[index] =
          batch.writes.length === 1
            ? { type: 'refused', error: new Error(messageOf(error)) }
            : await this.#alone(write)
      }
    }
  }

  async #alone(write: Write): Promise<Result> {
    const results: Result[] = []
    for (const batch of batchesOf([write], nothing)) await this.#applyBatch(batch, results, nothing)
    return results[0] ?? { type: 'refused', error: new Error('no answer') }
  }

  async #send(batch: Batch, sent: () => void): Promise<Answer[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sendOnce(batch, sent)
      } catch (error) {
        if (attempt >= attempts || !(isInTheWay(error) || isOutdated(error))) throw error
        // Not at once, and not all at the same moment: those who met would meet again.
        await sleep(Math.random() * 10 * attempt)
      }
    }
  }

  async #sendOnce(batch: Batch, sent: () => void): Promise<Answer[]> {
    await this.#link.ready()
    const unknown = this.#definitions.unknown(refsOf(batch))
    if (unknown) await this.#definitions.intern(this.#link, unknown)
    const rest = parametersOf(batch, this.#definitions.numberOf)
    if (isUsual(rest) && (await this.#append(rest, sent)))
      return batch.appends.map((write) => ({ write, result: applied }))
    const rows = await this.#flush([this.#session, this.#epoch, ...rest], sent)
    const row = rows[0] as readonly (string | null)[]
    const answers = await resultsOf(batch, row, (numbers) => this.#definitions.load(this.#link, numbers))
    if (row[8] === 't' ? batch.claims.length === 0 : answers.some(isQueued)) this.#woke()
    return answers
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
