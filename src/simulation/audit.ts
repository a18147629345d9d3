/**
 * The audit: opens the services' books once all calls have settled, and judges every trip.
 *
 * Invariants
 * - It believes nobody: balances are recomputed from entries, over connections of its own; what a saga came to is what its
 *   store says.
 * - A violation is a line that a person can read and look up. An unfinished saga is none: it is counted apart.
 */
import Database from 'better-sqlite3'
import { booksFile } from './services.js'
import { orders, type ServiceName, services, type Trip } from './trip.js'

/** What a saga came to. `unknown`: the store does not have it. */
export type End = 'committed' | 'rolled_back' | 'unfinished' | 'unknown'

/** One saga, as it is to be judged. */
export interface Verdict {
  readonly trip: Trip
  readonly end: End
  /** Its submit had been acknowledged. */
  readonly acknowledged: boolean
  /** What was answered to those who waited for it. */
  readonly answered?: 'committed' | 'rolled_back'
}

export function audit(folder: string, verdicts: readonly Verdict[]): string[] {
  return [
    ...verdicts.flatMap(brokenWord),
    ...services.flatMap((service) => auditService(service, booksFile(folder, service), verdicts)),
  ]
}

/** What the orchestrator had said, and no longer says. */
function brokenWord({ trip, end, acknowledged, answered }: Verdict): string[] {
  const lines: string[] = []
  if (acknowledged && end === 'unknown') {
    lines.push(`trip ${trip.index}: its submit was acknowledged, and the store does not have it`)
  }
  if (answered !== undefined && end !== 'unfinished' && end !== answered) {
    lines.push(`trip ${trip.index}: answered as ${answered}, stored as ${end}`)
  }
  return lines
}

function auditService(service: ServiceName, file: string, verdicts: readonly Verdict[]): string[] {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    const moves = readMoves(db)
    const judged = new Set(verdicts.map(({ trip }) => trip.index))
    const strangers = [...moves.keys()].filter((trip) => !judged.has(trip))
    return [
      ...verdicts.flatMap((verdict) => judge(service, verdict, moves.get(verdict.trip.index))),
      ...strangers.map((trip) => `${service}: has bookings of trip ${trip}, which was never submitted`),
      ...unbalanced(db).map((line) => `${service}: ${line}`),
      ...wrongTotals(db, service, verdicts).map((line) => `${service}: ${line}`),
    ]
  } finally {
    db.close()
  }
}

/** All that one trip did at one service. */
interface Moves {
  readonly commits: number
  readonly rollbacks: number
  /** What stands on the account that a commit books to. */
  readonly standing: number
}

function readMoves(db: Database.Database): Map<number, Moves> {
  const rows = db
    .prepare(
      `SELECT trip, sum(direction = 'commit') AS commits, sum(direction = 'rollback') AS rollbacks, sum(gain) AS standing
       FROM transfers JOIN (SELECT transfer, sum(amount) AS gain FROM entries
         WHERE account = 'agency' OR account LIKE '%/sold' GROUP BY transfer) ON transfer = id
       GROUP BY trip`,
    )
    .all() as (Moves & { trip: number })[]
  return new Map(rows.map((row) => [row.trip, row]))
}

const nothing: Moves = { commits: 0, rollbacks: 0, standing: 0 }

function judge(service: ServiceName, { trip, end }: Verdict, moves: Moves = nothing): string[] {
  const { commits, rollbacks, standing } = moves
  const lines: string[] = []
  const say = (line: string) => lines.push(`trip ${trip.index}: ${service} ${line}`)
  if (commits > 1) say(`took effect ${commits} times`)
  if (rollbacks > commits) say(`was undone ${rollbacks} times, and took effect ${commits} times`)
  const whole = orders[service](trip).amount
  if (end === 'committed' && standing !== whole) say(`stands at ${standing} of ${whole}, the saga committed`)
  if (end === 'rolled_back' && standing !== 0) say(`stands at ${standing}, the saga rolled back`)
  if (end === 'unknown' && standing !== 0) say(`stands at ${standing}, the store has no such saga`)
  return lines
}

/** Transfers that create or destroy something, and balances that their entries do not explain. */
function unbalanced(db: Database.Database): string[] {
  const torn = db
    .prepare(
      'SELECT transfer, sum(amount) AS sum FROM entries GROUP BY transfer HAVING sum(amount) <> 0 OR count(*) <> 2',
    )
    .all() as { transfer: number; sum: number }[]
  const wrong = db
    .prepare(
      `SELECT name, balance, opening + coalesce((SELECT sum(amount) FROM entries WHERE account = name), 0) AS expected
       FROM accounts WHERE balance <> expected OR balance < 0`,
    )
    .all() as { name: string; balance: number; expected: number }[]
  return [
    ...torn.map(({ transfer, sum }) => `transfer ${transfer} adds up to ${sum}, not to 0`),
    ...wrong.map(({ name, balance, expected }) => `${name} has ${balance}, its entries say ${expected}`),
  ]
}

/** All that was there at the beginning is there, and what was sold is what the committed trips bought. */
function wrongTotals(db: Database.Database, service: ServiceName, verdicts: readonly Verdict[]): string[] {
  const sums = db
    .prepare(
      `SELECT sum(opening) AS opening, sum(balance) AS balance,
         sum(CASE WHEN name = 'agency' OR name LIKE '%/sold' THEN balance ELSE 0 END) AS sold FROM accounts`,
    )
    .get() as { opening: number; balance: number; sold: number }
  const lines: string[] = []
  if (sums.opening !== sums.balance) lines.push(`${sums.opening} at the beginning, ${sums.balance} now`)
  const bought = verdicts
    .filter(({ end }) => end === 'committed')
    .reduce((sum, { trip }) => sum + orders[service](trip).amount, 0)
  const settled = verdicts.every(({ end }) => end !== 'unfinished')
  if (settled && sums.sold !== bought) lines.push(`${sums.sold} sold, the committed trips bought ${bought}`)
  return lines
}
