/**
 * The audit finds what is planted, and nothing where nothing is.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { audit, type End, type Verdict } from '#dist/simulation/audit.js'
import { readOptions } from '#dist/simulation/options.js'
import { booksFile, Services } from '#dist/simulation/services.js'
import { orders, type ServiceName, services, tripOf } from '#dist/simulation/trip.js'

const options = readOptions({ sagas: 10, failureRate: 0, seed: 7 })
let folder: string
let agency: Services

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backstep-audit-'))
  agency = new Services(folder, options)
})
afterEach(() => {
  agency.close()
  rmSync(folder, { recursive: true })
})

const trip = (index: number) => tripOf(options.seed, index, options.keys)
const uid = (index: number) => `019a0000-0000-7000-8000-${String(index).padStart(12, '0')}`

async function commit(index: number, service: ServiceName): Promise<void> {
  const idempotencyKey = `${uid(index)}:${service}:commit`
  const order = orders[service](trip(index))
  await agency.call({
    service,
    direction: 'commit',
    trip: index,
    attempt: 1,
    idempotencyKey,
    token: 1,
    order,
  })
}

async function rollback(index: number, service: ServiceName): Promise<void> {
  const idempotencyKey = `${uid(index)}:${service}:rollback`
  await agency.call({ service, direction: 'rollback', trip: index, attempt: 1, idempotencyKey, token: 1 })
}

async function book(index: number): Promise<void> {
  for (const service of services) await commit(index, service)
}

const verdict = (index: number, end: End, more: Partial<Verdict> = {}): Verdict => ({
  trip: trip(index),
  end,
  acknowledged: true,
  ...more,
})

/** Changes a service's books behind its back. */
function tamper(service: ServiceName, sql: string): void {
  const db = new Database(booksFile(folder, service))
  db.exec(sql)
  db.close()
}

test('whole trips, undone trips and unfinished ones are no violations', async () => {
  await book(0)
  await book(1)
  for (const service of [...services].reverse()) await rollback(1, service)
  await commit(2, 'flight')
  expect(
    audit(folder, [verdict(0, 'committed'), verdict(1, 'rolled_back'), verdict(2, 'unfinished')]),
  ).toEqual([])
})

describe('finds', () => {
  test('a committed trip without its payment', async () => {
    await commit(0, 'flight')
    await commit(0, 'hotel')
    const lines = audit(folder, [verdict(0, 'committed')])
    expect(lines[0]).toMatch(/^trip 0: payment stands at 0 of \d+, the saga committed$/)
  })

  test('a rolled-back trip with a seat that stands', async () => {
    await commit(0, 'flight')
    const lines = audit(folder, [verdict(0, 'rolled_back')])
    expect(lines).toContain('trip 0: flight stands at 1, the saga rolled back')
    expect(lines).toContain('flight: 1 sold, the committed trips bought 0')
  })

  test('an effect that happened twice', async () => {
    await book(0)
    const { from, to, amount } = orders.hotel(trip(0))
    tamper(
      'hotel',
      `INSERT INTO transfers VALUES (99, 0, 'commit');
       INSERT INTO entries VALUES (99, '${from}', ${-amount}), (99, '${to}', ${amount});
       UPDATE accounts SET balance = balance - ${amount} WHERE name = '${from}';
       UPDATE accounts SET balance = balance + ${amount} WHERE name = '${to}'`,
    )
    const lines = audit(folder, [verdict(0, 'committed')])
    expect(lines).toContain('trip 0: hotel took effect 2 times')
    expect(lines).toContain('trip 0: hotel stands at 2 of 1, the saga committed')
  })

  test('an undo that happened twice', async () => {
    await commit(0, 'flight')
    await rollback(0, 'flight')
    const { from, to } = orders.flight(trip(0))
    tamper(
      'flight',
      `INSERT INTO transfers VALUES (99, 0, 'rollback');
       INSERT INTO entries VALUES (99, '${from}', 1), (99, '${to}', -1)`,
    )
    const lines = audit(folder, [verdict(0, 'rolled_back')])
    expect(lines).toContain('trip 0: flight was undone 2 times, and took effect 1 times')
  })

  test('money from nowhere', async () => {
    await book(0)
    tamper('payment', `UPDATE accounts SET balance = balance + 500 WHERE name = 'agency'`)
    const lines = audit(folder, [verdict(0, 'committed')])
    expect(lines.some((line) => /^payment: agency has \d+, its entries say \d+$/.test(line))).toBe(true)
    expect(lines.some((line) => /^payment: \d+ at the beginning, \d+ now$/.test(line))).toBe(true)
  })

  test('a transfer with one leg', async () => {
    await book(0)
    tamper('payment', `DELETE FROM entries WHERE account = 'agency'`)
    const lines = audit(folder, [verdict(0, 'committed')])
    expect(lines.some((line) => /^payment: transfer 1 adds up to -\d+, not to 0$/.test(line))).toBe(true)
  })

  test('bookings of a trip that nobody submitted', async () => {
    await book(3)
    expect(audit(folder, [])).toContain('flight: has bookings of trip 3, which was never submitted')
  })

  test('an acknowledged saga that the store has lost, and an answer that it does not stand by', () => {
    const lines = audit(folder, [verdict(0, 'unknown'), verdict(1, 'rolled_back', { answered: 'committed' })])
    expect(lines).toEqual([
      'trip 0: its submit was acknowledged, and the store does not have it',
      'trip 1: answered as committed, stored as rolled_back',
    ])
  })
})
