/**
 * The route that submits: by the name of a definition that is offered here, or with the steps themselves.
 *
 * Invariant: it answers only once the saga is stored; the same request again, whatever became of the first answer, finds the same saga.
 */
import type { Definition, Duration, Orchestrator, SagaHandle, SagaView } from '../index.js'
import { createdViewOf } from '../runtime/handle.js'
import { checkId, isTraceparent } from '../runtime/submission.js'
import { json } from './answer.js'
import { type BodyLimits, type Members, membersOf, textOf } from './body.js'
import { type Call, encoded, type Handler, pathOf } from './call.js'
import { type Inline, isInline, type Submission } from './inline.js'
import { etagOf, type Looking, shown } from './looking.js'
import { inTime } from './patience.js'
import { badRequest, Problem } from './problem.js'
import type { Waited, Waits } from './waits.js'

const members = ['definition', 'input', 'id', 'deadline', 'name', 'steps', 'keys'] as const

/** s; a client may ask again. */
const longestWait = 60

export class Submitting {
  readonly #orchestrator: Orchestrator
  readonly #looking: Looking
  readonly #limits: BodyLimits
  readonly #inline: Inline
  readonly #waits: Waits

  constructor(looking: Looking, limits: BodyLimits, inline: Inline, waits: Waits) {
    this.#waits = waits
    this.#orchestrator = looking.orchestrator
    this.#inline = inline
    this.#looking = looking
    this.#limits = limits
  }

  readonly handler: Handler = async (call) => {
    const { request } = call
    const trace = request.headers.get('traceparent')
    const wait = waitOf(request.headers.get('Prefer'))
    const body = await membersOf(request, members, this.#limits)
    const id = idOf(body, request.headers.get('Idempotency-Key'))
    const { definition, input } = this.#submissionOf(body)
    const submitted = this.#orchestrator.submit(definition, input, {
      ...(id === undefined ? {} : { id }),
      ...(isTraceparent(trace) ? { trace: String(trace) } : {}),
      ...(body['deadline'] === undefined ? {} : { deadline: body['deadline'] as Duration }),
    })
    const handle = await inTime(submitted)
    if (wait === undefined) return this.#answer(call, handle)
    try {
      const waited = await this.#waits.endsWithin(handle, wait * 1_000)
      return await this.#answer(call, handle, { wait, ...waited })
    } catch (error) {
      const fresh = createdViewOf(handle)
      if (!fresh) throw error
      // It is stored, and whoever has no id of his own would send it once more: he is told the one that it has.
      return this.#answerFresh(call, fresh, 202)
    }
  }

  #submissionOf(body: Members): Submission {
    if (body['steps'] !== undefined && body['definition'] === undefined) return this.#inline.submission(body)
    const odd = ['name', 'steps', 'keys'].find((name) => body[name] !== undefined)
    if (odd !== undefined) {
      throw badRequest(`${odd} beside a definition means nothing`, 'send definition, or name and steps')
    }
    return { definition: this.#definitionOf(body), input: body['input'] }
  }

  #definitionOf(body: Members): Definition {
    const wanted = textOf(body, 'definition')
    const offered = this.#orchestrator.definitions().filter((definition) => !isInline(definition))
    const found =
      offered.findLast(({ plan }) => `${plan.name}@${plan.version}` === wanted) ??
      offered.findLast(({ plan }) => plan.name === wanted)
    if (found) return found
    throw new Problem(404, `no definition ${JSON.stringify(wanted.slice(0, 100))} is offered here`, {
      code: 'UNKNOWN_DEFINITION',
      hint: 'GET /v1/definitions lists what is',
    })
  }

  async #answer(
    call: Call,
    handle: SagaHandle<unknown>,
    waited?: Waited & { readonly wait: number },
  ): Promise<Response> {
    const { id, created } = handle
    // What was stored a moment ago need not be read: at 64 clients that would halve what comes in.
    const fresh = waited ? undefined : createdViewOf(handle)
    if (fresh) return this.#answerFresh(call, fresh, 201)
    const headers = {
      Location: locationOf(call, id),
      ...(waited ? { 'Preference-Applied': `wait=${waited.wait}` } : {}),
    }
    const status = waited?.isOver === false ? 202 : created ? 201 : 200
    // To read it as well would cost one that is waited for a third of what comes in.
    const view = waited?.view?.() ?? (await inTime(this.#orchestrator.get(id)))
    // A duplicate of what was pruned: that it ended is all that is known.
    if (!view) return json({ id, pruned: true }, status, headers)
    const body = await shown(this.#looking, view, call.caller)
    return json(body, status, { ...headers, ETag: etagOf(view) })
  }

  async #answerFresh(call: Call, fresh: SagaView, status: number): Promise<Response> {
    const headers = { Location: locationOf(call, fresh.id), ETag: etagOf(fresh) }
    return json(await this.#shownFresh(fresh, call), status, headers)
  }

  async #shownFresh(view: SagaView, call: Call): Promise<object> {
    if (view.status !== 'queued') return shown(this.#looking, view, call.caller)
    const health = await this.#looking.pulse.recent()
    const { name, version, shape } = view
    const blocked = health?.workers.every(
      ({ alive, offers }) =>
        !alive ||
        !offers.some((offer) => offer.name === name && offer.version === version && offer.shape === shape),
    )
    const body = await shown(this.#looking, { ...view, blocked: blocked === true }, call.caller)
    // What it waits for has not been asked.
    return blocked ? body : { ...body, why: 'queued: it was stored just now' }
  }
}

const locationOf = ({ request }: Call, id: string): string => {
  const path = pathOf(request.url)
  return `${path.slice(0, path.lastIndexOf('/v1/sagas'))}/v1/sagas/${encoded(id)}`
}

/** `Idempotency-Key` is the id of a saga that is not given one. */
function idOf(body: Members, key: string | null): string | undefined {
  const id = textOf(body, 'id', 'optional')
  const unquoted = key === null ? undefined : keyIn(key)
  if (id !== undefined && unquoted !== undefined && id !== unquoted) {
    throw badRequest('id and Idempotency-Key differ', 'send one of them, or the same')
  }
  const wanted = id ?? unquoted
  return wanted === undefined ? undefined : checkId(wanted)
}

/** Headers carry bytes, which Node reads as Latin-1; clients that send more send UTF-8. The draft standard quotes it. */
function keyIn(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  const text = bytes.toString('utf8')
  const key = Buffer.from(text, 'utf8').equals(bytes) ? text : header
  return /^"[^"\\]+"$/.test(key) ? key.slice(1, -1) : key
}

/** Seconds, at most a minute. What else may be preferred means nothing here, and is passed over, as the standard says. */
function waitOf(prefer: string | null): number | undefined {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?(?=$|[,;\s])/i.exec(prefer ?? '')?.[1]
  return wait === undefined ? undefined : Math.min(longestWait, Number(wait))
}
