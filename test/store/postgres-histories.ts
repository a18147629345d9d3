/**
 * Random histories on PostgreSQL: against the naive model, with the usual budget of a call and with a very small one.
 */
import pg from 'pg'
import { expect } from 'vitest'
import type { Queryable } from '#dist/store/store.js'
import { postgresStore } from '#dist/stores/postgres/index.js'
import { playHistories } from '#dist/testing/store-suite/histories.js'
import type { StoreSubject, UserTransaction } from '#dist/testing/store-suite/index.js'
import { freshSchema, query } from '../support/postgres.js'
import { schemaOf } from './postgres-place.js'
import { seed } from './suite.js'

interface Place {
  readonly address: string
  /** Of users, with transactions of their own. */
  readonly clients: pg.Client[]
}

async function begin({ address, clients }: Place): Promise<UserTransaction> {
  const url = new URL(address)
  url.searchParams.delete('schema')
  const client = new pg.Client(url.href)
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  const run = async (sql: string): Promise<void> => {
    await client.query(sql)
  }
  await run('BEGIN')
  return { tx: client as Queryable, commit: () => run('COMMIT'), rollback: () => run('ROLLBACK') }
}

export const subject: StoreSubject<Place> = {
  create: async () => ({ address: await freshSchema(), clients: [] }),
  store: ({ address }) => postgresStore(address),
  remove: async ({ address, clients }) => {
    await Promise.all(clients.map((client) => client.end()))
    await drop(address)
  },
  begin,
}

async function drop(address: string): Promise<void> {
  await query(address, `DROP SCHEMA IF EXISTS "${schemaOf(address)}" CASCADE`)
}

/** Gives every call a budget of `rows`: the functions hold no other 500. */
async function shrinkBudget(address: string, rows: number): Promise<void> {
  const found = await query<{ text: string }>(
    address,
    `SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
     WHERE s.nspname = '${schemaOf(address)}' AND p.prosrc LIKE '%''500''%'`,
  )
  expect(found.map(({ text }) => /FUNCTION \S+\.(\w+)/.exec(text)?.[1]).sort()).toEqual([
    'claim_1',
    'flush_1',
  ])
  for (const { text } of found) {
    const path = `SET search_path = "${schemaOf(address)}";`
    await query(address, path + text.replaceAll("'500'", `'${rows}'`))
  }
}

/** Work that is put off is done by later claims: every call has a budget of 2 rows. Returns how many sagas started. */
export async function playOnSmallBudget(histories: number): Promise<number> {
  const { started } = await playHistories(
    async (run) => {
      const address = await freshSchema()
      const store = postgresStore(address)
      await store.open()
      try {
        await shrinkBudget(address, 2)
        await run(store)
      } finally {
        await store.close()
        await drop(address)
      }
    },
    { histories, seed },
  )
  return started
}
