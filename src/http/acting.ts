/**
 * The routes that step in: cancel, retry, resolve, rebind. Each goes through the journal, under a name.
 *
 * Invariants
 * - Who is known by a token acts under that token's name: the body cannot say another.
 * - With If-Match nothing happens unless the journal ends where the caller saw it end; the store checks it in the write.
 */
import type { ByWhom, Logger, Orchestrator } from '../index.js'
import { json } from './answer.js'
import { type BodyLimits, type Members, membersOf, textOf } from './body.js'
import { type Call, type Handler, partOf } from './call.js'
import { etagOf, type Looking, shown, viewOf } from './looking.js'
import { inTime } from './patience.js'
import { badRequest } from './problem.js'

export interface Acting {
  readonly looking: Looking
  readonly limits: BodyLimits
  readonly log: Logger | undefined
}

interface Act {
  readonly id: string
  readonly call: Call
  readonly body: Members
  readonly by: ByWhom & { readonly actor: string }
}

/** Does it, and says in a word what came of it. */
type Deed = (orchestrator: Orchestrator, act: Act) => Promise<string>

function acting(
  { looking, limits, log }: Acting,
  name: string,
  members: readonly string[],
  deed: Deed,
): Handler {
  return async (call) => {
    const body = await membersOf(call.request, [...members, 'actor'], limits)
    const id = partOf(call, 'sagas')
    const by = byWhom(call, body)
    const result = await inTime(deed(looking.orchestrator, { id, call, body, by }))
    log?.info({ event: 'operator', action: name, saga: id, actor: by.actor, result }, `${by.actor}: ${name}`)
    const view = await viewOf(looking, id)
    return json({ result, saga: await shown(looking, view, call.caller) }, 200, { ETag: etagOf(view) })
  }
}

function byWhom({ request, caller }: Call, body: Members): Act['by'] {
  const said = textOf(body, 'actor', 'optional')
  if (said !== undefined && caller.known) {
    throw badRequest('the body may not say who acts', `leave actor out: the token says ${caller.name}`)
  }
  if (said !== undefined && !/^[^\p{Cc}]{1,100}$/u.test(said)) {
    throw badRequest('actor is no name', 'send a text of 1 to 100 characters')
  }
  const ifSeq = seqIn(request.headers.get('If-Match'))
  return { actor: said ?? caller.name, ...(ifSeq === undefined ? {} : { ifSeq }) }
}

function seqIn(header: string | null): number | undefined {
  if (header === null || header.trim() === '*') return undefined
  const seq = /^\s*"(\d{1,15})"\s*$/.exec(header)?.[1]
  if (seq !== undefined) return Number(seq)
  throw badRequest('If-Match is no ETag of a saga', 'send the ETag that GET /v1/sagas/{id} gave, unchanged')
}

export const cancelSaga = (parts: Acting): Handler =>
  acting(parts, 'cancel', ['reason'], (orchestrator, { id, body, by }) =>
    orchestrator.cancel(id, textOf(body, 'reason'), by),
  )

export const retrySaga = (parts: Acting): Handler =>
  acting(parts, 'retry', [], async (orchestrator, { id, by }) => {
    await orchestrator.retryNow(id, by)
    return 'retry_requested'
  })

export const rebindSaga = (parts: Acting): Handler =>
  acting(parts, 'rebind', ['version', 'reason'], async (orchestrator, { id, body, by }) => {
    const reason = textOf(body, 'reason', 'optional')
    await orchestrator.rebind(id, textOf(body, 'version'), {
      ...by,
      ...(reason === undefined ? {} : { reason }),
    })
    return 'rebound'
  })

export const resolveStep = (parts: Acting): Handler =>
  acting(parts, 'resolve', ['as', 'output', 'reason'], async (orchestrator, { id, call, body, by }) => {
    const as = textOf(body, 'as')
    if (as !== 'rolled_back' && as !== 'committed') {
      throw badRequest(`as is ${JSON.stringify(as.slice(0, 40))}`, "send 'rolled_back' or 'committed'")
    }
    const output = body['output'] === undefined ? {} : { output: body['output'] }
    await orchestrator.resolve(id, partOf(call, 'steps'), {
      as,
      reason: textOf(body, 'reason'),
      ...output,
      ...by,
    })
    return as
  })
