/** What backstep/testing finds out about a step holds for a remote one, its participant and the wire between them included. */
import { saga } from 'backstep'
import { barrier, commitHandler, rollbackHandler } from 'backstep/barrier'
import { checkStep, explore } from 'backstep/testing'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { remote } from '#dist/remote/index.js'
import { httpServer } from './support.js'

interface Booking {
  readonly id: number
}

/** Flights behind the barrier; each new world is a new database behind the same address. */
async function flights() {
  const open = () => {
    const db = new Database(':memory:')
    db.exec('CREATE TABLE bookings (id INTEGER PRIMARY KEY, destination TEXT)')
    const guard = barrier(db)
    return {
      db,
      commit: commitHandler(guard, ({ to }: { to: string }): Booking => {
        const { lastInsertRowid } = db.prepare('INSERT INTO bookings (destination) VALUES (?)').run(to)
        return { id: Number(lastInsertRowid) }
      }),
      rollback: rollbackHandler(guard, ({ id }: Booking) => {
        db.prepare('DELETE FROM bookings WHERE id = ?').run(id)
      }),
      booked: () => db.prepare('SELECT destination FROM bookings').pluck().all(),
    }
  }
  let now = open()
  const url = await httpServer((request, response) => {
    void (request.method === 'POST' ? now.commit : now.rollback)(request, response)
  })
  const step = remote<Booking, { to: string }>({
    commit: { url },
    rollback: { method: 'DELETE', url },
    allow: [url],
  })
  const world = () => {
    now = open()
    return now
  }
  return { step, world }
}

test('checkStep: a participant behind the barrier has all properties, a late commit that is refused among them', async () => {
  const { step, world } = await flights()
  const { holds } = await checkStep(step, {
    world,
    state: ({ booked }) => booked(),
    input: { to: 'LIS' },
    unseen: true,
  })
  expect(holds).toHaveLength(11)
})

test('explore: whatever fails and whenever, nothing is left standing, or all of it', async () => {
  const { step, world } = await flights()
  const trip = saga<{ to: string }>('trip', { keys: () => [] })
    .step('flight', step)
    .step('seat', step)
  const explored = await explore(trip, {
    world,
    input: { to: 'LIS' },
    faults: 1,
    unseen: true,
    invariant: ({ world: { booked }, status }) => booked().length === (status === 'committed' ? 2 : 0),
  })
  expect(explored.histories).toBeGreaterThan(20)
})
