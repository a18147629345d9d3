/**
 * The server that the PostgreSQL cases run on: of this run alone, with the settings of a fresh installation (`fsync` and
 * `synchronous_commit` are on, and read back). It shares the processors with what is measured.
 */
import pg from 'pg'
import { ThrowawayPostgres } from '#dist/cli/throwaway-postgres.js'

export class Server implements AsyncDisposable {
  readonly address: string
  readonly #throwaway: ThrowawayPostgres

  private constructor(throwaway: ThrowawayPostgres) {
    this.#throwaway = throwaway
    this.address = throwaway.address
  }

  static async start(): Promise<Server> {
    const server = new Server(await ThrowawayPostgres.start())
    for (const setting of ['fsync', 'synchronous_commit']) {
      const [row] = await server.query(`SHOW ${setting}`)
      if (row?.[setting] !== 'on') throw new Error(`${setting} is ${row?.[setting]}`)
    }
    return server
  }

  async query(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(this.address)
    await client.connect()
    try {
      const { rows } = await client.query<Record<string, unknown>>(sql)
      return rows
    } finally {
      await client.end()
    }
  }

  /** A database of its own, by its address. */
  async database(name: string): Promise<string> {
    await this.query(`CREATE DATABASE ${name}`)
    const address = new URL(this.address)
    address.pathname = `/${name}`
    return address.href
  }

  /** Committed in this database so far. Backends report what they did once they are idle for a second. */
  async transactions(): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const [row] = await this.query(
      'SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()',
    )
    return Number(row?.['xact_commit'])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#throwaway.remove()
  }
}
