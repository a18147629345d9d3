/** `tx` is anything with `query(sql, params)`: here a transaction of Kysely. Needs a PostgreSQL: see in-transaction.ts. */
import { Orchestrator, type Queryable, saga } from 'backstep'
import { CompiledQuery, Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'

interface Database {
  orders: { id: string }
}

const overKysely = (trx: Transaction<Database>): Queryable => ({
  query: (sql, params) => trx.executeQuery(CompiledQuery.raw(sql, params)),
})

const fulfil = saga<{ order: string }>('fulfil', { keys: ({ order }) => [order] }).step('mail', {
  commit: ({ input }) => `sent for ${input.order}`,
  rollback: () => {},
})

const address = process.env['DATABASE_URL']
if (!address) throw new Error('set DATABASE_URL to the address of a PostgreSQL database')
const db = new Kysely<Database>({
  dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: address }) }),
})
await db.schema.createTable('orders').ifNotExists().addColumn('id', 'text').execute()

await using orchestrator = await Orchestrator.open(address, { sagas: [fulfil], log: false })

const handle = await db.transaction().execute(async (trx) => {
  await trx.insertInto('orders').values({ id: 'order-1' }).execute()
  return orchestrator.submit(fulfil, { order: 'order-1' }, { tx: overKysely(trx) })
})
console.log((await handle.outcome()).status)

await db
  .transaction()
  .execute(async (trx) => {
    await orchestrator.submit(fulfil, { order: 'order-2' }, { id: 'order-2', tx: overKysely(trx) })
    throw new Error('the order was refused')
  })
  .catch((error: Error) => console.log(error.message))
console.log((await orchestrator.get('order-2')) ? 'there' : 'no saga')
await db.destroy()
