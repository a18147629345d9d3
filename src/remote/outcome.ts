/**
 * The table of outcomes: what an answer over HTTP, or its absence, says about the effect of a commit or a rollback.
 * docs/definition-file.md shows it to users.
 *
 * Invariants
 * - `rejected` only where the participant said that it had no effect, or where the request was never sent. All else is in doubt: a
 *   rollback too many finds nothing to undo, one too few leaves an effect standing.
 * - A redirect is in doubt: `303 See Other`, and in practice 302, is how a service answers a POST that it has carried out.
 * - 429, and 503 with `Retry-After`, say that the request was turned away at the door, and when to come again. Without `Retry-After` a 503
 *   may come from a gateway whose service died half-way.
 */
import type { Json } from '../core/entry.js'

/** The body of an answer, as far as it matters. */
export type ReplyBody =
  | { readonly is: 'none' }
  | { readonly is: 'json'; readonly value: Json }
  /** The connection ended before the body did. */
  | { readonly is: 'cut' }
  | { readonly is: 'not_json' }
  | { readonly is: 'too_large' }
  /** Nobody asked for it. */
  | { readonly is: 'unread' }

export type Heard =
  | {
      readonly is: 'answered'
      readonly status: number
      /** ms, as the answer said. */
      readonly retryAfter?: number | undefined
      readonly body: ReplyBody
    }
  /** Refused by ourselves: not on the allow-list, or a template without a value. Nothing was sent, nor will be. */
  | { readonly is: 'refused' }
  /** No connection: refused, unknown host, timed out, TLS failed. Nothing was sent. */
  | { readonly is: 'unreached' }
  /** Sent, and no whole answer came. */
  | { readonly is: 'lost' }

/** What a status means to a commit. `busy`: rejected, and worth trying again. */
export type CommitWord = 'committed' | 'pending' | 'rejected' | 'busy' | 'in_doubt'
export type RollbackWord = 'done' | 'pending' | 'failed'

export const commitWords: readonly CommitWord[] = ['committed', 'pending', 'rejected', 'busy', 'in_doubt']
export const rollbackWords: readonly RollbackWord[] = ['done', 'pending', 'failed']

/** By status (`'404'`) or class (`'4xx'`): what this participant means by it. The status goes first. */
export type Outcomes<Word extends string> = Readonly<Record<string, Word>>

export type CommitOutcome =
  | { readonly is: 'committed'; readonly output: Json | undefined }
  | { readonly is: 'pending'; readonly checkAfter: number }
  /** `retryAfter` in ms: it may be tried again then. Absent: never. */
  | { readonly is: 'rejected'; readonly retryAfter?: number }
  | { readonly is: 'in_doubt'; readonly why: string }

export type RollbackOutcome =
  | { readonly is: 'done' }
  | { readonly is: 'pending'; readonly checkAfter: number }
  | { readonly is: 'failed'; readonly retryAfter?: number }

export type VerifyOutcome = { readonly committed: Json | undefined } | 'never' | 'unknown'

/** When to ask again where the answer does not say, in ms. */
export const defaultRetryAfter = 1_000
/** An answer that says 0 must not make us ask without a pause, and one that says a year must not park a saga for so long. */
export const leastRetryAfter = 100
export const mostRetryAfter = 3_600_000

const bounded = (ms: number): number => Math.min(mostRetryAfter, Math.max(leastRetryAfter, ms))

/** The word for a status, by the table alone. */
export function commitWord(status: number, saysWhen: boolean): CommitWord {
  if (status === 202 || status === 425) return 'pending'
  if (status >= 200 && status < 300) return 'committed'
  if (status === 429 || (status === 503 && saysWhen)) return 'busy'
  if (status >= 400 && status < 500 && status !== 408) return 'rejected'
  return 'in_doubt'
}

export function rollbackWord(status: number): RollbackWord {
  if (status === 202 || status === 425) return 'pending'
  return status >= 200 && status < 300 ? 'done' : 'failed'
}

const overriding = <Word extends string>(status: number, outcomes: Outcomes<Word>): Word | undefined =>
  outcomes[String(status)] ?? outcomes[`${String(status)[0]}xx`]

/** True where the answer's body is the output of the step. */
export const wantsBody = (status: number, outcomes: Outcomes<CommitWord>): boolean =>
  (overriding(status, outcomes) ?? commitWord(status, false)) === 'committed'

export function commitOutcome(heard: Heard, outcomes: Outcomes<CommitWord> = {}): CommitOutcome {
  switch (heard.is) {
    case 'refused':
      return { is: 'rejected' }
    case 'unreached':
      return { is: 'rejected', retryAfter: 0 }
    case 'lost':
      return { is: 'in_doubt', why: 'no whole answer came' }
    case 'answered': {
      const { status, retryAfter, body } = heard
      switch (overriding(status, outcomes) ?? commitWord(status, retryAfter !== undefined)) {
        case 'committed':
          return committed(body)
        case 'pending':
          return { is: 'pending', checkAfter: bounded(retryAfter ?? defaultRetryAfter) }
        case 'rejected':
          return { is: 'rejected' }
        case 'busy':
          // Without a time its own backoff says when.
          return { is: 'rejected', retryAfter: retryAfter === undefined ? 0 : bounded(retryAfter) }
        case 'in_doubt':
          return {
            is: 'in_doubt',
            why: status < 400 ? 'redirects are not followed' : 'nobody said what came of it',
          }
      }
    }
  }
}

const unreadable = {
  cut: 'the body was cut',
  not_json: 'the body is no JSON',
  too_large: 'the body is larger than 1 MB',
  unread: 'the body was not read',
} as const

/** An effect that has happened, and an output that nobody knows: without it later steps, and the rollback, would guess. */
function committed(body: ReplyBody): CommitOutcome {
  if (body.is === 'json') return { is: 'committed', output: body.value }
  if (body.is === 'none') return { is: 'committed', output: undefined }
  return { is: 'in_doubt', why: unreadable[body.is] }
}

/** What a rollback answers beyond its status does not matter. */
export function rollbackOutcome(heard: Heard, outcomes: Outcomes<RollbackWord> = {}): RollbackOutcome {
  if (heard.is !== 'answered') return { is: 'failed' }
  const { status, retryAfter } = heard
  const word = overriding(status, outcomes) ?? rollbackWord(status)
  if (word === 'done') return { is: 'done' }
  if (word === 'pending') return { is: 'pending', checkAfter: bounded(retryAfter ?? defaultRetryAfter) }
  return retryAfter === undefined ? { is: 'failed' } : { is: 'failed', retryAfter: bounded(retryAfter) }
}

/** Only 410 says "no, and never": the participant has shut the key. A 404 may be a commit that has not arrived yet. */
export function verifyOutcome(heard: Heard): VerifyOutcome {
  if (heard.is !== 'answered') return 'unknown'
  const { status, body } = heard
  if (status === 410) return 'never'
  if (commitWord(status, false) !== 'committed') return 'unknown'
  const outcome = committed(body)
  return outcome.is === 'committed' ? { committed: outcome.output } : 'unknown'
}

/**
 * Reads `Retry-After`, in ms: seconds, or a date, which is compared with the answer's own `Date`, so that the two clocks do not matter.
 * Undefined for what is neither.
 */
export function readRetryAfter(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1_000
  // Date.parse takes `-5` for a day in May.
  if (!/^\s*[A-Za-z]{3,9}, .*GMT\s*$/.test(value)) return undefined
  const wait = Date.parse(value) - Date.parse(date ?? '')
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}
