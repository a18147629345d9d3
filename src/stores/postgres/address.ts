/**
 * What names a database: an address, or a pool of the user's own; and the schema in it.
 *
 * Invariant
 * - What is shown of an address never holds its password.
 */
import { shownAddress } from '../../core/address.js'
import { StoreError } from '../../core/errors.js'

export interface Place {
  /** For `pg`; without our own parameters. */
  readonly connectionString: string
  readonly schema: string
  /** As a person may see it. */
  readonly shown: string
}

const wrong = (what: string, hint: string): StoreError =>
  new StoreError(what, { code: 'STORE_ADDRESS', hint })

/** Throws StoreError `STORE_ADDRESS`. */
export function placeOf(address: string, schema: string | undefined): Place {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    throw wrong('this is no address of PostgreSQL', 'use postgres://user:password@host:5432/database')
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw wrong(`${url.protocol} is not PostgreSQL`, 'use postgres://user:password@host:5432/database')
  const named = url.searchParams.get('schema')
  url.searchParams.delete('schema')
  const checked = checkSchema(schema ?? named ?? 'backstep')
  return {
    connectionString: url.href,
    schema: checked,
    shown: shownAddress(address),
  }
}

export function checkSchema(schema: unknown): string {
  if (typeof schema !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,50}$/.test(schema) || /^pg_/i.test(schema)) {
    throw wrong(
      `${JSON.stringify(schema)} cannot be the name of the schema`,
      'use letters, digits and _, at most 51, not beginning with pg_',
    )
  }
  return schema
}
