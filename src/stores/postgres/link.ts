/**
 * One connection that is kept, and made again when it is lost.
 *
 * Invariants
 * - One statement at a time is under way, in order of the calls; the time that it may take begins when it is sent.
 * - A connection that has failed in a way that leaves it unclear is closed, and never used again.
 * - Whoever calls while there is no connection makes one; the others wait for the same one. After a failure nobody tries again
 *   until a pause is over, which doubles: a server that is down is not besieged.
 */
import type { Client, QueryConfig } from './driver.js'
import { isConnectionGood } from './failures.js'

export interface Connected {
  readonly client: Client
  /** Gives it back, or closes it. */
  close(broken: boolean): Promise<void>
}

const firstPause = 50
const longestPause = 2_000

export class Link {
  readonly #open: () => Promise<Connected>
  readonly #prepare: (client: Client) => Promise<void>
  readonly #timeout: number
  #now: Promise<Connected> | undefined
  #failure: { readonly error: unknown; readonly until: number } | undefined
  #pause = firstPause
  #closed = false
  /** Settles when the statement that was called last is over. */
  #last: Promise<unknown> = Promise.resolve()

  /** `prepare` is called with each new connection before anybody else uses it. `timeout` bounds a statement, ms. */
  constructor(open: () => Promise<Connected>, prepare: (client: Client) => Promise<void>, timeout: number) {
    this.#open = open
    this.#prepare = prepare
    this.#timeout = timeout
  }

  /** Throws what the driver throws. `queued` is called at once: what is called later is sent later. */
  query(config: QueryConfig, queued?: () => void): Promise<readonly (readonly unknown[])[]> {
    const answer = this.#last.then(() => this.#send(config))
    this.#last = answer.catch(() => {})
    queued?.()
    return answer
  }

  async #send(config: QueryConfig): Promise<readonly (readonly unknown[])[]> {
    const connected = await this.ready()
    try {
      const { rows } = await connected.client.query({
        ...config,
        rowMode: 'array',
        query_timeout: this.#timeout,
      })
      return rows
    } catch (error) {
      if (!isConnectionGood(error)) this.#drop(connected)
      throw error
    }
  }

  ready(): Promise<Connected> {
    if (this.#closed) return Promise.reject(new Error('the store is closed'))
    const now = this.#now
    if (now !== undefined) return now
    if (this.#failure && performance.now() < this.#failure.until) return Promise.reject(this.#failure.error)
    const attempt = this.#connect()
    this.#now = attempt
    attempt.then(
      () => {
        this.#pause = firstPause
        this.#failure = undefined
      },
      (error: unknown) => {
        if (this.#now === attempt) this.#now = undefined
        this.#failure = { error, until: performance.now() + this.#pause }
        this.#pause = Math.min(longestPause, this.#pause * 2)
      },
    )
    return attempt
  }

  /** The next call makes a new connection. */
  async renew(): Promise<void> {
    const before = await this.#now?.catch(() => undefined)
    if (before) this.#drop(before)
  }

  /** `asNew`: the connection is as it came, and may be given back; otherwise it listens, or knows prepared statements. */
  async close(asNew = false): Promise<void> {
    this.#closed = true
    const last = await this.#now?.catch(() => undefined)
    this.#now = undefined
    await last?.close(!asNew)
  }

  async #connect(): Promise<Connected> {
    const { client, close } = await this.#open()
    const lost = () => this.#drop(connected)
    const connected: Connected = {
      client,
      close: (broken) => {
        client.removeListener('error', lost)
        client.removeListener('end', lost)
        return close(broken)
      },
    }
    client.on('error', lost)
    client.on('end', lost)
    try {
      if (this.#closed) throw new Error('the store is closed')
      await this.#prepare(client)
      return connected
    } catch (error) {
      await connected.close(true)
      throw error
    }
  }

  #drop(connected: Connected): void {
    const now = this.#now
    now?.then(
      (current) => {
        if (current !== connected || this.#now !== now) return
        this.#now = undefined
        connected.close(true).catch(() => {})
      },
      () => {},
    )
  }
}
