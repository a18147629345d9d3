/**
 * The side connection: renews leases while a flush is under way, hears and gives hints, and compares clocks.
 *
 * Invariants
 * - A hint is only a hint: lost, doubled or late it does no harm, since those who wait also poll.
 * - NOTIFY takes a lock of the whole server at its commit. So it is never part of a flush, and sent at most once in `hintEvery`.
 * - A renewal is a statement of its own that locks nothing but its row: it waits for no flush, and a connection that died without
 *   a word does not cost the lease: it is sent over another, too.
 */
import type { RenewWrite, Result } from '../../store/store.js'
import { asText, type Client } from './driver.js'
import { type Connected, Link } from './link.js'
import { literal, quoted } from './migrations.js'

/** ms. */
const hintEvery = 50
/** Every so many renewals, the counts of ended sagas are added up. */
const addUpEvery = 30

const ignore = () => {}

/** Of NOTIFY; its names are at most 63 bytes, those of schemas at most 51 (see address.ts). */
export const channelOf = (schema: string): string => `backstep.${schema}`

export class Side {
  readonly #link: Link
  readonly #open: () => Promise<Connected>
  readonly #timeout: number
  readonly #schema: string
  readonly #channel: string
  readonly #listeners = new Set<() => void>()
  #renewals = 0
  #hint: NodeJS.Timeout | undefined
  #heard: NodeJS.Timeout | undefined
  #skew: number | undefined
  #closed = false

  constructor(open: () => Promise<Connected>, schema: string, timeout: number) {
    this.#schema = quoted(schema)
    this.#channel = channelOf(schema)
    this.#open = open
    this.#timeout = timeout
    this.#link = new Link(open, (client) => this.#listen(client), timeout)
  }

  /** ms that the database's clock is ahead of this process's. */
  get skew(): number {
    return this.#skew ?? 0
  }

  onHint(listener: () => void): void {
    this.#listeners.add(listener)
    this.#link.ready().catch(() => {})
  }

  /** Tells others that there may be something to claim. Soon, and together with what else there is to tell. */
  hint(): void {
    if (this.#hint || this.#closed) return
    this.#hint = setTimeout(() => {
      this.#hint = undefined
      this.#link
        .query({ text: `SELECT pg_notify(${literal(this.#channel)}, '')`, types: asText })
        .catch(() => {})
    }, hintEvery)
    this.#hint.unref()
  }

  /**
   * Where no answer comes soon, over a second connection, too: the first may have died without a word, and by the time that this is
   * certain the lease would be over, and with it everything that runs here.
   */
  renew(write: RenewWrite): Promise<Result> {
    return new Promise((resolve, reject) => {
      const beside = setTimeout(() => {
        this.#renewBeside(write).then((result) => {
          resolve(result)
          void this.#link.renew()
        }, ignore)
      }, write.lease / 6)
      this.#renewOver(this.#link, write)
        .then(resolve, reject)
        .finally(() => clearTimeout(beside))
    })
  }

  async #renewBeside(write: RenewWrite): Promise<Result> {
    const link = new Link(this.#open, async () => {}, this.#timeout)
    try {
      return await this.#renewOver(link, write)
    } finally {
      await link.close(true)
    }
  }

  async #renewOver(link: Link, { worker, lease }: RenewWrite): Promise<Result> {
    const sent = Date.now()
    const values = [worker, Math.ceil(lease), ++this.#renewals % addUpEvery === 0]
    const [row] = await link.query({
      text: `SELECT * FROM ${this.#schema}.renew_alone_1($1, $2, $3)`,
      values,
      types: asText,
    })
    this.#compare(sent, Number(row?.[1]))
    return { type: row?.[0] === 'applied' ? 'applied' : 'superseded' }
  }

  async measure(): Promise<void> {
    const sent = Date.now()
    const text = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint'
    const [row] = await this.#link.query({ text, types: asText })
    this.#compare(sent, Number(row?.[0]))
  }

  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#hint)
    clearTimeout(this.#heard)
    this.#listeners.clear()
    return this.#link.close()
  }

  /** The answer was made somewhere between sending and hearing: half way, as far as anybody can tell. */
  #compare(sent: number, theirs: number): void {
    const heard = Date.now()
    const measured = theirs - (sent + heard) / 2
    const doubt = (heard - sent) / 2
    const before = this.#skew
    // What lies within the doubt is no news.
    if (before === undefined || Math.abs(measured - before) > doubt) this.#skew = measured
  }

  async #listen(client: Client): Promise<void> {
    client.on('notification', () => this.#hear())
    await client.query({ text: `LISTEN ${quoted(this.#channel)}`, query_timeout: this.#timeout })
    // What was told while nobody listened.
    this.#hear()
  }

  #hear(): void {
    if (this.#heard || this.#closed || this.#listeners.size === 0) return
    this.#heard = setTimeout(() => {
      this.#heard = undefined
      for (const listener of this.#listeners) listener()
    }, 0)
    this.#heard.unref()
  }
}
