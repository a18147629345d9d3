/**
 * Stores that several processes can share, each by an address that they are told on their command line.
 */
import { describe } from 'vitest'
import { describePostgres, freshSchema } from './postgres.js'
import { temporaryFile } from './stores.js'

export interface SharedPlace {
  readonly name: 'sqlite' | 'postgres'
  /** A new, empty store. */
  address(): Promise<string>
  /** For processes that will be killed: on SQLite their death is seen at once, elsewhere their lease must run out (ms). */
  readonly lease: number | undefined
}

const sqlite: SharedPlace = {
  name: 'sqlite',
  address: async () => `sqlite:${temporaryFile()}`,
  lease: undefined,
}
const postgres: SharedPlace = { name: 'postgres', address: freshSchema, lease: 700 }

/** The same tests over each of them. */
export function describeShared(name: string, tests: (place: SharedPlace) => void): void {
  describe(`${name}: sqlite`, () => tests(sqlite))
  describePostgres(`${name}: postgres`, () => tests(postgres))
}
