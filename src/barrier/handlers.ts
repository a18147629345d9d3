/**
 * A participant's endpoints: what a remote step calls, answered by the barrier, in Express, Fastify, Hono or plain node:http.
 *
 * Invariants
 * - The status tells the orchestrator the truth about the effect, by its table of outcomes: 2xx it stands, 4xx and 503 with `Retry-After`
 *   it does not, 425 ask again, 500 nobody knows.
 * - Whoever calls again while the same step is being worked on is told so (425), and waits outside: not on a connection of the database.
 * - An error that nothing is known about goes the framework's own way, where it is logged, and answered with 500.
 */
import { types } from 'node:util'
import { BackstepError, BadInputError, isInDoubt, isRejected, retryAfterOf } from '../core/errors.js'
import { BarrierError, CommitAfterRollbackError } from './errors.js'
import { type Exchange, exchangeOf, type ParticipantHandler, type Problem } from './handlers-frameworks.js'
import { type BarrierCall, readCall } from './key.js'
import type { PostgresBarrier } from './postgres.js'
import { type PostgresTransaction, sqlState } from './postgres-schema.js'
import type { SqliteDatabase } from './schema.js'
import { SqliteBarrier } from './sqlite.js'

/** What the headers of a request said. */
export interface ParticipantCall {
  readonly idempotencyKey: string
  readonly commitKey: string
  readonly token: string | undefined
  readonly sagaId: string
  readonly step: string
  /** 1 for the first call of this direction of this step. */
  readonly attempt: number
}

/** Either barrier, as its overloads have checked it. */
interface Guard {
  commit(call: BarrierCall, effect: (db: unknown) => unknown): unknown
  rollback(call: BarrierCall, undo: (answer: unknown, db: unknown) => unknown): unknown
}

type Direction = 'commit' | 'rollback'

/**
 * Answers the commits of a remote step: runs `effect` once, in one transaction with the barrier's record, and answers with what it
 * returned; a duplicate gets the stored answer, a commit that arrives after its rollback 409. On SQLite `effect` is synchronous.
 * Throw `Rejected` for 409; with `retryAfter`, for 503 with `Retry-After`.
 *
 * @example
 * const guard = barrier(db)
 * app.post('/flights', commitHandler(guard, (trip: Trip) => book(trip)))
 * app.delete('/flights', rollbackHandler(guard, (booking: Booking) => release(booking)))
 */
export function commitHandler<Db extends SqliteDatabase, Body>(
  guard: SqliteBarrier<Db>,
  effect: (body: Body, db: Db, call: ParticipantCall) => unknown,
): ParticipantHandler
/**
 * The same on PostgreSQL: `effect` must do its work on the `tx` that it receives.
 *
 * @example app.post('/flights', commitHandler(guard, (trip: Trip, tx) => book(tx, trip)))
 */
export function commitHandler<Tx extends PostgresTransaction, Body>(
  guard: PostgresBarrier<Tx>,
  effect: (body: Body, tx: Tx, call: ParticipantCall) => unknown,
): ParticipantHandler
export function commitHandler(guard: unknown, effect: unknown): ParticipantHandler {
  const work = effect as (body: unknown, db: unknown, call: ParticipantCall) => unknown
  return handler(guard as Guard, 'commit', effect, (call, body) =>
    (guard as Guard).commit(call, (db) => work(body, db, call)),
  )
}

/**
 * Answers the rollbacks of a remote step: runs `undo` with what the commit answered if that stands, in one transaction with the
 * record. Where the commit has not come there is nothing to undo, and it is refused from now on.
 *
 * @example app.delete('/flights', rollbackHandler(guard, (booking: Booking) => release(booking)))
 */
export function rollbackHandler<Db extends SqliteDatabase, Answer>(
  guard: SqliteBarrier<Db>,
  undo: (answer: Answer, db: Db, call: ParticipantCall) => unknown,
): ParticipantHandler
export function rollbackHandler<Tx extends PostgresTransaction, Answer>(
  guard: PostgresBarrier<Tx>,
  undo: (answer: Answer, tx: Tx, call: ParticipantCall) => unknown,
): ParticipantHandler
export function rollbackHandler(guard: unknown, undo: unknown): ParticipantHandler {
  const work = undo as (answer: unknown, db: unknown, call: ParticipantCall) => unknown
  return handler(guard as Guard, 'rollback', undo, (call) =>
    (guard as Guard).rollback(call, (answer, db) => work(answer, db, call)),
  )
}

function handler(
  guard: Guard,
  direction: Direction,
  work: unknown,
  run: (call: ParticipantCall, body: unknown) => unknown,
): ParticipantHandler {
  // Wrapped in ours, the barrier itself could not tell before it runs.
  if (guard instanceof SqliteBarrier && types.isAsyncFunction(work)) {
    throw new BarrierError(
      'a function under the barrier must be synchronous',
      'ASYNC_FUNCTION',
      'call other services before or after it; its transaction is over when the function returns',
    )
  }
  const answer = async (exchange: Exchange): Promise<unknown> => {
    try {
      const call = callOf(exchange, direction)
      const body = await exchange.body()
      return exchange.answer(await alone(guard, call.commitKey, () => run(call, body)))
    } catch (error) {
      const problem = problemOf(error)
      return problem ? exchange.refuse(problem) : exchange.fail(error)
    }
  }
  return ((...given: unknown[]) => answer(exchangeOf(given))) as unknown as ParticipantHandler
}

/** Throws BadInputError for headers that are missing, or of the other direction. */
function callOf({ header }: Exchange, direction: Direction): ParticipantCall {
  const idempotencyKey = header('idempotency-key')
  if (idempotencyKey === undefined) {
    throw new BadInputError(
      'the header Idempotency-Key is missing',
      'call this through a remote step, or set the headers that docs/participants.md names',
    )
  }
  const token = header('x-backstep-token')
  const given: BarrierCall = { idempotencyKey, commitKey: header('x-backstep-commit-key'), token }
  const { commitKey, step } = readCall(given, direction)
  const sagaId = decoded(header('x-backstep-saga') ?? '')
  return {
    idempotencyKey,
    commitKey,
    token,
    sagaId,
    step,
    attempt: Number(header('x-backstep-attempt') ?? 1),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Commit keys that are being worked on in this process. */
const underWay = new WeakMap<Guard, Set<string>>()

class UnderWay extends Error {}

async function alone(guard: Guard, key: string, work: () => unknown): Promise<unknown> {
  const keys = underWay.get(guard) ?? new Set<string>()
  underWay.set(guard, keys)
  if (keys.has(key)) throw new UnderWay(`${key}: another call for this step is under way`)
  keys.add(key)
  try {
    return await work()
  } finally {
    keys.delete(key)
  }
}

/** Undefined for an error that nothing is known about. */
function problemOf(error: unknown): Problem | undefined {
  if (error instanceof UnderWay) return problem(425, error, 'UNDER_WAY', 1)
  if (error instanceof CommitAfterRollbackError) return problem(409, error)
  const retryAfter = retryAfterOf(error)
  if (retryAfter !== undefined) return problem(503, error, 'BUSY', Math.ceil(retryAfter / 1_000))
  if (isRejected(error)) return problem(409, error)
  // Also a newer owner's token: this call had no effect, but that owner's may have had one.
  if (isInDoubt(error)) return problem(500, error)
  if (error instanceof BadInputError) return problem(422, error)
  return isContention(error) ? problem(503, error, 'BUSY', 1) : undefined
}

/** The database took the whole transaction back, and would take it another time. */
function isContention(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code
  if (typeof code === 'string' && /^SQLITE_(BUSY|LOCKED)/.test(code)) return true
  return ['40001', '40P01', '55P03'].includes(sqlState(error) ?? '')
}

const titles: Readonly<Record<number, string>> = {
  409: 'Refused',
  422: 'Not a call of a saga',
  425: 'Under way',
  500: 'In doubt',
  503: 'Busy',
}

function problem(status: number, error: unknown, code?: string, retryAfter?: number): Problem {
  const message = error instanceof BackstepError ? error.message.split('\n')[0] : (error as Error).message
  const said = code ?? (error instanceof BackstepError ? error.code : undefined)
  return {
    status,
    retryAfter,
    body: {
      type: 'about:blank',
      title: titles[status] ?? 'Failed',
      status,
      ...(said === undefined ? {} : { code: said }),
      detail: String(message ?? ''),
    },
  }
}
