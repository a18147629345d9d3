/**
 * Errors as answers: application/problem+json (RFC 9457), with the stable `code` and the `hint` that every error of Backstep has.
 *
 * Invariants
 * - What is not ours (a bug, a driver's error) is answered by its code alone: its message may hold anything.
 * - A hint names what a client over HTTP can do, never a method of the library.
 */
import { BackstepError } from '../index.js'

export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly hint?: string
  readonly sagaId?: string
  readonly step?: string
}

type Headers = Readonly<Record<string, string>>

interface Told {
  readonly code: string
  readonly hint?: string
  readonly sagaId?: string
  readonly headers?: Headers
}

/** A request that is refused before anything of Backstep is asked. */
export class Problem extends Error {
  readonly status: number
  readonly told: Told

  constructor(status: number, detail: string, told: Told) {
    super(detail)
    this.status = status
    this.told = told
  }
}

export const badRequest = (detail: string, hint: string, code = 'BAD_INPUT'): Problem =>
  new Problem(400, detail, { code, hint })

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  409: 'Refused by the state of the saga',
  412: 'Changed meanwhile',
  413: 'Too large',
  415: 'Unsupported media type',
  421: 'Not this host',
  422: 'Conflicts with what is stored',
  500: 'Internal error',
  503: 'Not available now',
}

const statuses: Readonly<Record<string, number>> = {
  BAD_INPUT: 400,
  BAD_DEFINITION: 400,
  ANONYMOUS: 400,
  CONFLICT: 422,
  NOT_FOUND: 404,
  CHANGED: 412,
  ENDED: 409,
  PRUNED: 409,
  PAST_PIVOT: 409,
  NOT_RESOLVABLE: 409,
  NOT_REBINDABLE: 409,
  CLOSED: 503,
  STORE_UNAVAILABLE: 503,
}

const hints: Readonly<Record<string, string>> = {
  NOT_FOUND: 'look for it with GET /v1/sagas; a pruned saga is gone',
  ENDED: 'see how it went with GET /v1/sagas/{id}/journal',
  PAST_PIVOT: 'wait for it, or settle the step that fails with POST …/steps/{step}/resolve',
  NOT_RESOLVABLE: 'see its steps with GET /v1/sagas/{id}',
  CHANGED: 'get it again, decide again, and send the new ETag as If-Match',
  CLOSED: 'send the same request again: it goes to the process that has taken over',
  STORE_UNAVAILABLE: 'send the same request again, with the same Idempotency-Key',
}

/** s after which to ask again, where the store does not answer. */
const retryAfter = '2'

export interface Answered {
  readonly status: number
  readonly body: ProblemDetails
  readonly headers: Headers
}

const detailsOf = (status: number, code: string, detail: string): ProblemDetails => ({
  type: `urn:backstep:problem:${code.toLowerCase()}`,
  title: titles[status] ?? 'Error',
  status,
  code,
  detail,
})

export function problemOf(error: unknown): Answered {
  if (error instanceof Problem) {
    const { status, message, told } = error
    const { code, headers = {}, ...more } = told
    return { status, body: { ...detailsOf(status, code, message), ...more }, headers }
  }
  if (error instanceof BackstepError) return ofBackstep(error)
  return {
    status: 500,
    body: { ...detailsOf(500, 'INTERNAL', 'the server failed'), hint: 'its log says why' },
    headers: {},
  }
}

function ofBackstep(error: BackstepError): Answered {
  const { code, sagaId, step } = error
  const status = statuses[code] ?? (code.startsWith('STORE_') ? 503 : 500)
  const hint = hints[code] ?? error.hint
  // What a store says may name its host; its own log has it.
  const detail = code.startsWith('STORE_') ? 'the store does not answer' : messageOf(error)
  return {
    status,
    body: {
      ...detailsOf(status, code, detail),
      ...(hint === undefined ? {} : { hint }),
      ...(sagaId === undefined ? {} : { sagaId }),
      ...(step === undefined ? {} : { step }),
    },
    headers: status === 503 ? { 'Retry-After': retryAfter } : {},
  }
}

/** Without the hint, which has a member of its own. */
function messageOf({ message, hint }: BackstepError): string {
  const tail = `\n  hint: ${hint}`
  return message.endsWith(tail) ? message.slice(0, -tail.length) : message
}
