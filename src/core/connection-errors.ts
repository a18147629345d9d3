/**
 * Which errors mean that the answer was lost: the request may have arrived, and nobody said what came of it.
 *
 * Invariants
 * - An error is on these lists only if the other side may have acted. What was certainly never sent is not: ECONNREFUSED,
 *   ENOTFOUND, EAI_AGAIN, UND_ERR_CONNECT_TIMEOUT, SQLSTATE 08001 and 08004, a pool that had no connection to give.
 * - When in doubt, an error goes on the list: a rollback too many finds nothing to undo; one too few leaves an effect standing.
 * - Looking at the error never throws, and the work is bounded.
 *
 * What no list can tell: a client that sends a request, loses the answer, tries again by itself and reports only the last
 * failure. Turn such retries off, or give the step `throws: 'in_doubt'`.
 */

import { read, readItems } from './hostile.js'

/** Codes that mean a lost answer. */
const lostAnswerCodes: ReadonlySet<unknown> = new Set([
  // Sockets. With `syscall: 'connect'` they were never sent, see neverSent.
  'ECONNRESET',
  'ECONNABORTED', // also the timeout of axios
  'ECONNCLOSED', // tedious
  'ECANCEL', // tedious
  'ECANCELED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'EPROTO',
  'ESHUTDOWN',
  'ESOCKET', // tedious
  'ESOCKETTIMEDOUT',
  'ETIMEDOUT',
  'ETIMEOUT', // tedious
  // Node
  'ABORT_ERR',
  'ERR_CANCELED', // axios
  'ERR_NETWORK', // axios
  'ERR_SOCKET_CLOSED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_STREAM',
  'ERR_HTTP2_PING_CANCEL',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_SOCKET_UNBOUND',
  'ERR_HTTP2_STREAM_CANCEL',
  'ERR_HTTP2_STREAM_ERROR',
  // undici, and with it fetch (as the cause of `fetch failed`)
  'UND_ERR_ABORTED',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'UND_ERR_SOCKET',
  // PostgreSQL, by SQLSTATE
  '08000', // connection exception
  '08003', // the connection does not exist
  '08006', // connection failure
  '08007', // transaction resolution unknown
  '08P01', // protocol violation
  '40003', // statement completion unknown
  '57P01', // admin shutdown
  '57P02', // crash shutdown
  '57P04', // database dropped
  '57P05', // idle session timeout
  // MySQL, Prisma
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_PACKETS_OUT_OF_ORDER',
  'P1008',
  'P1017',
])

/** `HPE_`: an answer that Node's parser of HTTP cannot read. `SQLITE_IOERR`: a disk that did not say whether it wrote. */
const lostAnswerPrefixes: readonly string[] = ['HPE_', 'SQLITE_IOERR']

/** Names of errors that mean a lost answer, for those that carry no code. */
const lostAnswerNames: ReadonlySet<unknown> = new Set([
  'AbortError',
  'TimeoutError',
  'MaxRetriesPerRequestError', // ioredis
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoOperationTimeoutError',
])

/** Messages of drivers that give neither: pg, ioredis, node-redis. Compared from the beginning. */
const lostAnswerMessages: readonly string[] = [
  'Connection terminated',
  'Query read timeout',
  'Connection is closed.',
  'Command timed out',
  'Socket closed unexpectedly',
  'Disconnects client',
]

/** A gateway got no answer from the service behind it. */
const lostAnswerStatuses: ReadonlySet<unknown> = new Set([502, 504])

/** gRPC: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS. Only of errors with `details` and `metadata`. */
const lostAnswerGrpcCodes: ReadonlySet<unknown> = new Set([1, 2, 4, 13, 14, 15])

/** Errors looked at in all, through `cause` and the `errors` of AggregateError: far more than any library nests. */
const maxLooks = 50
const maxErrors = 10

/** True if `thrown`, or what it was caused by, says that the answer was lost. Never throws. */
export function answerLost(thrown: unknown): boolean {
  const queue: unknown[] = [thrown]
  for (let looks = 0; looks < queue.length && looks < maxLooks; looks++) {
    const error = queue[looks]
    if (typeof error !== 'object' || error === null) continue
    if (saysLost(error)) return true
    queue.push(read(error, 'cause'), ...readItems(read(error, 'errors'), maxErrors).items)
  }
  return false
}

function saysLost(error: object): boolean {
  return !neverSent(error) && (hasLostCode(error) || hasLostName(error) || hasLostStatus(error))
}

/** `connect ETIMEDOUT` failed before there was anything to send on. */
function neverSent(error: object): boolean {
  const syscall = read(error, 'syscall')
  return syscall === 'connect' || syscall === 'getaddrinfo'
}

function hasLostCode(error: object): boolean {
  const code = read(error, 'code')
  if (typeof code === 'string')
    return lostAnswerCodes.has(code) || lostAnswerPrefixes.some((prefix) => code.startsWith(prefix))
  return lostAnswerGrpcCodes.has(code) && isGrpc(error)
}

function isGrpc(error: object): boolean {
  return typeof read(error, 'details') === 'string' && typeof read(error, 'metadata') === 'object'
}

function hasLostName(error: object): boolean {
  if (lostAnswerNames.has(read(error, 'name'))) return true
  const message = read(error, 'message')
  return typeof message === 'string' && lostAnswerMessages.some((start) => message.startsWith(start))
}

/** Where HTTP clients put the status: on the error, or on its response. */
const hasLostStatus = (error: object): boolean =>
  [error, read(error, 'response')].some(
    (holder) =>
      lostAnswerStatuses.has(read(holder, 'status')) || lostAnswerStatuses.has(read(holder, 'statusCode')),
  )
