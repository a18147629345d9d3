/**
 * A saga submitted in your own transaction: the order and its saga exist together, or neither does. Needs a PostgreSQL whose
 * address is in DATABASE_URL; the orders live beside the sagas, in the same database.
 */
import { Orchestrator, saga } from 'backstep'
import pg from 'pg'

const fulfil = saga<{ order: string }>('fulfil', { keys: ({ order }) => [order] })
  .step('stock', { commit: () => 'shelf A-6', rollback: () => {} })
  .step('mail', { commit: ({ input }) => `sent for ${input.order}`, rollback: () => {} })

const address = process.env['DATABASE_URL']
if (!address) throw new Error('set DATABASE_URL to the address of a PostgreSQL database')
const pool = new pg.Pool({ connectionString: address })
await pool.query('CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY)')

await using orchestrator = await Orchestrator.open(address, { sagas: [fulfil], log: false })

async function placeOrder(order: string, isPaid: boolean): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('INSERT INTO orders VALUES ($1)', [order])
    await orchestrator.submit(fulfil, { order }, { id: order, tx: client })
    await client.query(isPaid ? 'COMMIT' : 'ROLLBACK')
  } finally {
    client.release()
  }
}

await placeOrder('order-1', true)
await placeOrder('order-2', false)

// The same id and input again finds the saga that the transaction left.
const { mail } = await orchestrator.run(fulfil, { order: 'order-1' }, { id: 'order-1' })
console.log(`order-1: ${mail}`)
console.log(`order-2: ${(await orchestrator.get('order-2')) ? 'there' : 'no order, no saga'}`)
await pool.end()
