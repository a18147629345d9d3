/**
 * Steps that are HTTP requests: a participant of flights with a database of its own, and a saga that knows only its address.
 * Whatever arrives twice, late, or after its rollback, the participant's barrier sees to it.
 *
 * npm run example remote
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Orchestrator, Rejected, SagaRolledBackError, saga } from 'backstep'
import { barrier, commitHandler, rollbackHandler } from 'backstep/barrier'
import { remote } from 'backstep/http'
import Database from 'better-sqlite3'

interface Trip {
  readonly to: string
  readonly budget: number
}

interface Booking {
  readonly id: number
  readonly price: number
}

// The participant. In Express, Fastify or Hono the same handlers are routes: app.post('/flights', commit).
const db = new Database(':memory:')
db.exec('CREATE TABLE bookings (id INTEGER PRIMARY KEY, destination TEXT)')
const guard = barrier(db)

const commit = commitHandler(guard, ({ to }: { to: string }): Booking => {
  if (to === 'Atlantis') throw new Rejected('there is no flight to Atlantis')
  const { lastInsertRowid } = db.prepare('INSERT INTO bookings (destination) VALUES (?)').run(to)
  return { id: Number(lastInsertRowid), price: 120 }
})
const rollback = rollbackHandler(guard, ({ id }: Booking) => {
  db.prepare('DELETE FROM bookings WHERE id = ?').run(id)
})

const server = createServer((request, response) => {
  void (request.method === 'POST' ? commit : rollback)(request, response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

// The saga. Loopback and private addresses must be named in `allow`.
const bookTrip = saga<Trip>('book-trip')
  .step(
    'flight',
    remote<Booking>({
      commit: { url: `${origin}/flights`, body: { to: '{input.to}' } },
      rollback: { method: 'DELETE', url: `${origin}/flights` },
      timeout: '2s',
      retry: { attempts: 3 },
      allow: [origin],
    }),
  )
  .step('payment', {
    commit: ({ input, outputs }) => {
      if (outputs.flight.price > input.budget) throw new Rejected('too expensive')
    },
    rollback: () => {},
  })

await using orchestrator = await Orchestrator.open('memory:', { log: false })

for (const trip of [
  { to: 'Lisbon', budget: 500 },
  { to: 'Oslo', budget: 50 },
  { to: 'Atlantis', budget: 500 },
]) {
  try {
    const { flight } = await orchestrator.run(bookTrip, trip)
    console.log(`${trip.to}: booked for ${flight.price}`)
  } catch (error) {
    if (!(error instanceof SagaRolledBackError)) throw error
    const why = (error.cause as Error).message.replace(origin, '')
    console.log(`${trip.to}: ${why}; rolled back: ${error.rolledBack.join(', ') || 'nothing'}`)
  }
}
console.log(`standing: ${db.prepare('SELECT destination FROM bookings').pluck().all().join(', ')}`)
server.closeAllConnections()
server.close()
