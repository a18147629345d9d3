/**
 * Random histories on PostgreSQL: against the naive model, with the usual budget of a call and with a very small one.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Store } from '#dist/store/store.js'
import { postgresStore } from '#dist/stores/postgres/index.js'
import { freshSchema, query } from '../support/postgres.js'
import { anyHistory, History } from './admission-property.js'
import type { Place } from './desk.js'

export async function makePlace(): Promise<Place> {
  const address = await freshSchema()
  const open: Store[] = []
  return {
    open: async () => {
      const store = postgresStore(address)
      await store.open()
      open.push(store)
      return store
    },
    close: async () => {
      await Promise.all(open.splice(0).map((store) => store.close()))
    },
    remove: async () => {
      await query(address, `DROP SCHEMA IF EXISTS "${new URL(address).searchParams.get('schema')}" CASCADE`)
    },
  }
}

/** Gives every call a budget of `rows`: the functions hold no other 500. */
async function shrinkBudget(address: string, rows: number): Promise<void> {
  const found = await query<{ text: string }>(
    address,
    `SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
     WHERE s.nspname = '${new URL(address).searchParams.get('schema')}' AND p.prosrc LIKE '%''500''%'`,
  )
  expect(found.map(({ text }) => /FUNCTION \S+\.(\w+)/.exec(text)?.[1]).sort()).toEqual([
    'claim_1',
    'flush_1',
  ])
  for (const { text } of found) {
    const path = `SET search_path = "${new URL(address).searchParams.get('schema')}";`
    await query(address, path + text.replaceAll("'500'", `'${rows}'`))
  }
}

/** Work that is put off is done by later claims: every call has a budget of 2 rows. Returns how many sagas started. */
export async function playOnSmallBudget(runs: number): Promise<number> {
  let started = 0
  await fc.assert(
    fc.asyncProperty(anyHistory, async (moves) => {
      const address = await freshSchema()
      const store = postgresStore(address)
      await store.open()
      try {
        await shrinkBudget(address, 2)
        const history = new History(store, 'h')
        await history.play(moves)
        started += history.started
      } finally {
        await store.close()
        await query(address, `DROP SCHEMA "${new URL(address).searchParams.get('schema')}" CASCADE`)
      }
    }),
    { numRuns: runs },
  )
  return started
}
