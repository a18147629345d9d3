/**
 * The simulated services: what each fault does to the books, and what the barrier makes of late calls.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isRejected } from '#dist/core/errors.js'
import { draw, type Fault } from '#dist/simulation/faults.js'
import { readOptions } from '#dist/simulation/options.js'
import { booksFile, Services } from '#dist/simulation/services.js'
import { orders, type ServiceCall, tripOf } from '#dist/simulation/trip.js'

const options = readOptions({ sagas: 5_000, failureRate: 0.5, seed: 11 })
let folder: string
let agency: Services

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backstep-services-'))
  agency = new Services(folder, options)
})
afterEach(() => {
  agency.close()
  rmSync(folder, { recursive: true })
})

/** The first trip whose flight meets this fault. */
function tripWith(wanted: (fault: Fault) => boolean): number {
  for (let saga = 0; saga < options.sagas; saga++) {
    const cast = { seed: options.seed, saga, step: 'flight', direction: 'commit', attempt: 1 } as const
    if (wanted(draw(cast, options.failureRate).fault)) return saga
  }
  throw new Error('no trip meets this fault')
}

function commitOf(trip: number, attempt = 1): ServiceCall {
  const idempotencyKey = `019a0000-0000-7000-8000-${String(trip).padStart(12, '0')}:flight:commit`
  const order = orders.flight(tripOf(options.seed, trip, 0))
  return { service: 'flight', direction: 'commit', trip, attempt, idempotencyKey, token: 1, order }
}

/** Rolls back until the dice let it. */
async function rollBack(trip: number): Promise<void> {
  const { idempotencyKey, order: _, ...call } = commitOf(trip)
  const key = idempotencyKey.replace('commit', 'rollback')
  for (let attempt = 1; ; attempt++) {
    const cast = { seed: options.seed, saga: trip, step: 'flight', direction: 'rollback', attempt } as const
    if (draw(cast, options.failureRate).fault.kind !== 'none') continue
    await agency.call({ ...call, direction: 'rollback', attempt, idempotencyKey: key })
    return
  }
}

function standing(trip: number): number {
  const db = new Database(booksFile(folder, 'flight'), { readonly: true })
  const sum = db.prepare(
    `SELECT coalesce(sum(amount), 0) FROM entries JOIN transfers ON id = transfer
     WHERE trip = ? AND account LIKE '%/sold'`,
  )
  const count = sum.pluck().get(trip) as number
  db.close()
  return count
}

test('no fault: it answers with what it moved', async () => {
  const trip = tripWith(({ kind }) => kind === 'none')
  await expect(agency.call(commitOf(trip))).resolves.toEqual(commitOf(trip).order)
  expect(standing(trip)).toBe(1)
})

test.each([true, false])('refused (final: %s): no effect', async (final) => {
  const trip = tripWith((fault) => fault.kind === 'refused' && fault.final === final)
  const error = await agency.call(commitOf(trip)).catch((thrown: unknown) => thrown)
  expect(isRejected(error)).toBe(final)
  expect(standing(trip)).toBe(0)
  expect(agency.counts).toMatchObject({ commitFailures: 1, rollbackFailures: 0, timeouts: 0 })
})

test('the answer is lost before the effect, or after it', async () => {
  const [before, after] = [
    tripWith(({ kind }) => kind === 'lost_before'),
    tripWith(({ kind }) => kind === 'lost_after'),
  ]
  await expect(agency.call(commitOf(before))).rejects.toMatchObject({ code: 'ECONNRESET' })
  await expect(agency.call(commitOf(after))).rejects.toMatchObject({ code: 'ECONNRESET' })
  expect([standing(before), standing(after)]).toEqual([0, 1])
})

test('it hangs and lands late: settled waits for that', async () => {
  const trip = tripWith((fault) => fault.kind === 'hang' && fault.lands !== null)
  void agency.call(commitOf(trip))
  expect(standing(trip)).toBe(0)
  await agency.settled()
  expect(standing(trip)).toBe(1)
  expect(agency.counts).toMatchObject({ commitFailures: 1, timeouts: 1 })
})

test('it hangs and lands after its rollback: refused, and nothing stands', async () => {
  // Late enough that the rollback is done before it, on a busy machine as well.
  const trip = tripWith((fault) => fault.kind === 'hang' && (fault.lands ?? 0) > 390)
  const late = agency.call(commitOf(trip)).catch((error: unknown) => error)
  await rollBack(trip)
  expect(await late).toMatchObject({ code: 'ROLLED_BACK_ALREADY' })
  expect(standing(trip)).toBe(0)
  expect(agency.counts.lateRefused).toBe(1)
})

test('it hangs for ever: nothing is waited for', async () => {
  const trip = tripWith((fault) => fault.kind === 'hang' && fault.lands === null)
  void agency.call(commitOf(trip))
  await agency.settled()
  expect(standing(trip)).toBe(0)
})
