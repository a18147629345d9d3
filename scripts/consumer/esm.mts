/**
 * What a user of the package writes, compiled against the packed types and run: a saga that commits, one that rolls
 * back, and both found again in a file by a second orchestrator.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Orchestrator, Rejected, saga } from 'backstep'
import { explore } from 'backstep/testing'

interface Trip {
  to: string
}

const cancelled: string[] = []

const bookTrip = saga<Trip>('book-trip')
  .step('flight', {
    commit: async ({ input, idempotencyKey }) => ({ id: `flight to ${input.to}`, key: idempotencyKey }),
    rollback: ({ output }) => {
      cancelled.push(output?.id ?? 'unknown')
    },
    timeout: '2s',
  })
  .step('payment', {
    commit: ({ input, outputs }) => {
      if (input.to === 'nowhere') throw new Rejected(`nobody sells ${outputs.flight.id}`)
      return { paid: 42 }
    },
    rollback: () => undefined,
  })

const { histories, complete } = await explore(bookTrip, {
  input: { to: 'LIS' },
  world: { reset: () => cancelled.splice(0) },
  invariant: ({ status }) => status === 'committed' || status === 'rolled_back',
  faults: 1,
})
assert.ok(complete === 1 && histories > 30)
cancelled.splice(0)

const folder = mkdtempSync(join(tmpdir(), 'backstep-consumer-'))
const address = `sqlite:${join(folder, 'trips.db')}`
try {
  {
    await using orchestrator = await Orchestrator.open(address, { sagas: [bookTrip] })
    const trip = await orchestrator.run(bookTrip, { to: 'LIS' }, { id: 'a' })
    const paid: number = trip.payment.paid
    assert.equal(paid, 42)
    assert.equal(trip.flight.id, 'flight to LIS')
    await assert.rejects(orchestrator.run(bookTrip, { to: 'nowhere' }, { id: 'b' }), {
      code: 'ROLLED_BACK',
    })
    assert.deepEqual(cancelled, ['flight to nowhere'])
  }
  {
    await using orchestrator = await Orchestrator.open(address, { sagas: [bookTrip] })
    assert.equal((await orchestrator.get('a'))?.status, 'committed')
    assert.equal((await orchestrator.get('b'))?.status, 'rolled_back')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
