/**
 * What a remote step does when it is called: makes the request, sends it, and says what came of it in the words of a step.
 *
 * Invariants
 * - What fails before anything was sent is told from what fails after: the table of outcomes rests on it.
 * - Errors carry the method, the address without its query, and the beginning of what the participant said; never a header.
 */
import { InDoubt, Rejected } from '../core/errors.js'
import type { CallContext } from '../definition/context.js'
import { pending, type Verdict } from '../definition/index.js'
import type { Compiled } from './compile.js'
import {
  type CommitWord,
  commitOutcome,
  type Heard,
  type Outcomes,
  type RollbackWord,
  readRetryAfter,
  rollbackOutcome,
  verifyOutcome,
  wantsBody,
} from './outcome.js'
import { after, Patience } from './patience.js'
import { Forbidden, judgedAddresses } from './policy.js'
import { bodyOf, noteOf } from './reply.js'
import { NotConnected, type Reply, send } from './request.js'
import { callOf, type Setting } from './setting.js'
import { Unrenderable } from './template.js'
import { type Call, type Direction, wireHeaders } from './wire.js'

export interface Calling {
  readonly setting: Setting
  /** ms */
  readonly connectTimeout: number
}

type Context = CallContext<unknown, unknown>

/** What was heard, and how to say it to a person. */
interface Answer {
  readonly heard: Heard
  readonly says: string
  readonly cause?: unknown
}

/** `undo`: its rollback, which must be one that can be sent. */
export const committing =
  (request: Compiled, outcomes: Outcomes<CommitWord>, calling: Calling, undo?: Compiled) =>
  async (context: Context): Promise<unknown> => {
    const why =
      undo && isFirst(context)
        ? whyNotSent(undo, callOf(context, calling.setting), calling.setting)
        : undefined
    if (why !== undefined) throw new Rejected(`nothing was sent: its rollback could not be: ${why}`)
    const { heard, says, cause } = await call(request, 'commit', context, calling, (status) =>
      wantsBody(status, outcomes),
    )
    const outcome = commitOutcome(heard, outcomes)
    if (outcome.is === 'committed') return outcome.output
    if (outcome.is === 'pending') return pending({ checkAfter: outcome.checkAfter })
    if (outcome.is === 'in_doubt') throw new InDoubt(`${says}: ${outcome.why}`, { cause })
    const { retryAfter } = outcome
    throw new Rejected(says, { cause, ...(retryAfter === undefined ? {} : { retryAfter }) })
  }

/**
 * Once an attempt may have taken effect it is too late: refused, the saga would be stuck on its way back for certain. Behind the pivot
 * there is a second attempt, and no way back.
 */
const isFirst = ({ attempt }: Context): boolean => attempt === 1

/** A rollback that lacks a value would fail for ever: better that there is nothing to undo. */
function whyNotSent(request: Compiled, call: Call, { allow }: Setting): string | undefined {
  try {
    const address = request.rehearse(call)
    return address === undefined ? undefined : allow.refusal(new URL(address))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

export const rollingBack =
  (request: Compiled, outcomes: Outcomes<RollbackWord>, calling: Calling) =>
  async (context: Context): Promise<unknown> => {
    const { heard, says, cause } = await call(request, 'rollback', context, calling, () => false)
    const outcome = rollbackOutcome(heard, outcomes)
    if (outcome.is === 'done') return undefined
    if (outcome.is === 'pending') return pending({ checkAfter: outcome.checkAfter })
    const { retryAfter } = outcome
    throw retryAfter === undefined ? new Error(says, { cause }) : new Rejected(says, { cause, retryAfter })
  }

export const verifying =
  (request: Compiled, calling: Calling) =>
  async (context: Context): Promise<Verdict<unknown>> => {
    const { heard } = await call(request, 'verify', context, calling, (status) => wantsBody(status, {}))
    return verifyOutcome(heard)
  }

async function call(
  request: Compiled,
  direction: Direction,
  context: Context,
  { setting, connectTimeout }: Calling,
  wants: (status: number) => boolean,
): Promise<Answer> {
  let where = request.method
  try {
    const { url, headers, body } = render(request, direction, context, setting)
    where = `${request.method} ${url.origin}${url.pathname}`
    const { signal } = context
    const patience = new Patience(connectTimeout)
    const addresses = await lookedUp(judgedAddresses(url, setting.allow, setting.resolve), signal, patience)
    const message = { url, method: request.method, headers, body, signal, patience, wants }
    return answerOf(await send(message, addresses), where)
  } catch (cause) {
    return notSent(cause, where, context)
  }
}

/**
 * Nothing has been sent: whatever was thrown came before that. What we refuse is refused for good, unless it was sent before (by a
 * process with another list, or secrets of its own): that says nothing of what came of it, and a pivot in doubt must not turn back.
 */
function notSent(cause: unknown, where: string, context: Context): Answer {
  const why = cause instanceof Error ? cause.message : String(cause)
  const heard: Heard = { is: isFirst(context) ? 'refused' : 'unreached' }
  if (cause instanceof Forbidden) return { heard, says: `${where} is not allowed: ${why}` }
  if (cause instanceof Unrenderable) return { heard, says: `${where} cannot be made: ${why}` }
  return { heard: { is: 'unreached' }, says: `${where} was never reached: ${why}`, cause }
}

function render(request: Compiled, direction: Direction, context: Context, setting: Setting) {
  const given = callOf(context, setting)
  // What the commit answered may not fit (an empty id): then its rollback goes as it would if nobody had heard that answer.
  const fits = given.output === undefined || whyNotSent(request, given, setting) === undefined
  const call = fits ? given : { ...given, output: undefined }
  const text = request.url.render(call, context) ?? ''
  if (!URL.canParse(text)) throw new Unrenderable(`its address is none`)
  const headers = wireHeaders(call, direction)
  for (const [name, value] of request.headers) {
    const rendered = value.render(call, context)
    if (rendered !== undefined) headers[name] = rendered
  }
  const json = request.body?.(call, context)
  if (json !== undefined) headers['content-type'] ??= 'application/json'
  return { url: new URL(text), headers, body: json === undefined ? undefined : JSON.stringify(json) }
}

/** A look-up of a name cannot be stopped; it is no longer waited for. */
function lookedUp<T>(work: Promise<T>, signal: AbortSignal, patience: Patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    const stopWaiting = after(patience.left, () => reject(new NotConnected('its name was not found in time')))
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => {
      stopWaiting()
      signal.removeEventListener('abort', stop)
    })
    // Not before: a failure that nobody hears would end the process.
    if (signal.aborted) stop()
  })
}

function answerOf(reply: Reply, where: string): Answer {
  if (reply.is === 'unreached') {
    return {
      heard: { is: 'unreached' },
      says: `${where} was never reached: ${reply.error.message}`,
      cause: reply.error,
    }
  }
  if (reply.is !== 'answered') {
    return {
      heard: { is: 'lost' },
      says: `${where} lost its answer: ${reply.error.message}`,
      cause: reply.error,
    }
  }
  const { status, retryAfter, date, body } = reply
  const heard: Heard = {
    is: 'answered',
    status,
    retryAfter: readRetryAfter(retryAfter, date),
    body: bodyOf(body),
  }
  const note = body.is === 'note' ? noteOf(body.text) : ''
  return { heard, says: `${where} answered ${status}${note === '' ? '' : `, ${note}`}` }
}
