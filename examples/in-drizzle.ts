/** `tx` is anything with `query(sql, params)`: here a transaction of Drizzle. Needs a PostgreSQL: see in-transaction.ts. */
import { Orchestrator, type Queryable, saga } from 'backstep'
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'

const orders = pgTable('orders', { id: text('id').primaryKey() })

interface CanExecute {
  execute(query: SQL): Promise<{ readonly rows: readonly unknown[] }>
}

/** Drizzle numbers the parameters itself: `$1`, `$2` … become values where they stand. */
const overDrizzle = (tx: CanExecute): Queryable => ({
  query: (text, params) => {
    const parts = text.split(/\$(\d+)/).map((part, i) => {
      return i % 2 === 0 ? sql.raw(part) : sql`${sql.param(params[Number(part) - 1])}`
    })
    return tx.execute(sql.join(parts))
  },
})

const fulfil = saga<{ order: string }>('fulfil', { keys: ({ order }) => [order] }).step('mail', {
  commit: ({ input }) => `sent for ${input.order}`,
  rollback: () => {},
})

const address = process.env['DATABASE_URL']
if (!address) throw new Error('set DATABASE_URL to the address of a PostgreSQL database')
const pool = new pg.Pool({ connectionString: address })
const db = drizzle(pool)
await db.execute(sql`CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY)`)

await using orchestrator = await Orchestrator.open(address, { sagas: [fulfil], log: false })

const handle = await db.transaction(async (tx) => {
  await tx.insert(orders).values({ id: 'order-1' })
  return orchestrator.submit(fulfil, { order: 'order-1' }, { tx: overDrizzle(tx) })
})
console.log((await handle.outcome()).status)

await db
  .transaction(async (tx) => {
    await orchestrator.submit(fulfil, { order: 'order-2' }, { id: 'order-2', tx: overDrizzle(tx) })
    throw new Error('the order was refused')
  })
  .catch((error: Error) => console.log(error.message))
console.log((await orchestrator.get('order-2')) ? 'there' : 'no saga')
await pool.end()
