/**
 * The limits on PostgreSQL: what a bare loop over one connection gets out of the same server.
 *
 * Invariant
 * - While the loop runs, nothing else of this process does: it is alone with the server.
 */
import pg from 'pg'
import type { Slice } from '../slices.js'

/** Four durable writes a saga, one after the other. */
const writesOfSaga = 4
/** Four entries of the journal, the saga's row twice, its key there and away again. */
const rowsOfSaga = 8
const groupSize = 256
const text = 'x'.repeat(100)

const table = `CREATE TABLE bench_rows (
  n bigint NOT NULL, seq integer NOT NULL, at bigint NOT NULL, entries text NOT NULL, PRIMARY KEY (n, seq))`
const insertOne = { name: 'one', text: 'INSERT INTO bench_rows VALUES ($1, $2, $3, $4)' }
const insertGroup = {
  name: 'group',
  text: `INSERT INTO bench_rows SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::text[])`,
}

export class PostgresLimits {
  readonly #client: pg.Client
  #row = 0

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async open(address: string): Promise<PostgresLimits> {
    const client = new pg.Client(address)
    await client.connect()
    await client.query(table)
    return new PostgresLimits(client)
  }

  /** One at a time: single-row commits a second ÷ 4. */
  readonly one: Slice = async (seconds) => {
    const perSecond = await this.#loop(seconds, () =>
      this.#client.query({ ...insertOne, values: this.#next() }),
    )
    return perSecond / writesOfSaga
  }

  /** At 256: rows a second by `unnest` of 256 ÷ 8. */
  readonly group: Slice = async (seconds) => {
    const perSecond = await this.#loop(seconds, () => {
      const rows = Array.from({ length: groupSize }, () => this.#next())
      const values = [0, 1, 2, 3].map((column) => rows.map((row) => row[column]))
      return this.#client.query({ ...insertGroup, values })
    })
    return (perSecond * groupSize) / rowsOfSaga
  }

  close(): Promise<void> {
    return this.#client.end()
  }

  #next(): [number, number, number, string] {
    const row = this.#row++
    return [row >> 2, row & 3, Date.now(), text]
  }

  async #loop(seconds: number, action: () => Promise<unknown>): Promise<number> {
    const begin = performance.now()
    const end = begin + seconds * 1_000
    let count = 0
    let now = begin
    while (now < end) {
      await action()
      count++
      now = performance.now()
    }
    return (count / (now - begin)) * 1_000
  }
}
