/**
 * What operators do: look at sagas, and step in.
 *
 * Invariants
 * - Looking changes nothing; stepping in goes through the journal, with the operator's name and reason.
 * - Nothing here needs the saga's definition, nor owns a saga: the command line does all of it beside a running process.
 */
import { type Duration, duration } from '../core/duration.js'
import { BadInputError, SagaStateError } from '../core/errors.js'
import { cancel, rebind, resolve, retryNow, type State } from '../core/index.js'
import { storable } from '../core/json.js'
import type { Status } from '../core/state.js'
import type { Health, Store, StoredSaga } from '../store/store.js'
import type { Clock } from './clock.js'
import { type Added, type Facts, notFound } from './facts.js'
import type { GroupCommit } from './group-commit.js'
import { checkNames } from './options.js'
import { checkId } from './submission.js'
import { inputHash } from './submitter.js'
import {
  type JournalEntry,
  journalOf,
  type SagaSummary,
  type SagaView,
  stateOf,
  summaryOf,
  viewOf,
} from './view.js'

/** Who steps in, for the journal. */
export interface ByWhom {
  readonly actor?: string
  /** Only while the journal ends with this chunk (`seq` of a view); else SagaStateError `CHANGED`. */
  readonly ifSeq?: number
}

export interface ListOptions {
  readonly status?: Status | readonly Status[]
  /** The definition's name. */
  readonly name?: string
  readonly stuck?: boolean
  readonly blocked?: boolean
  readonly late?: boolean
  /** Default `newest`. */
  readonly order?: 'newest' | 'oldest'
  /** Default 50, at most 1,000. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

export interface Page {
  readonly sagas: readonly SagaSummary[]
  /** Absent on the last page. */
  readonly next?: string
}

export interface RebindOptions extends ByWhom {
  readonly reason?: string
}

export interface ResolveOptions extends ByWhom {
  /** What became of the step: its effect is undone, or it stands. */
  readonly as: 'rolled_back' | 'committed'
  /** The commit's output, for the steps behind it. */
  readonly output?: unknown
  readonly reason: string
  readonly actor: string
}

export interface PruneOptions {
  /** Only what ended longer ago than this. Default `30d`. */
  readonly olderThan?: Duration
  /** At most so many. Default: all. */
  readonly limit?: number
}

const listOptions = ['status', 'name', 'stuck', 'blocked', 'late', 'order', 'limit', 'after'] as const
const statuses: readonly unknown[] = ['queued', 'running', 'rolling_back', 'committed', 'rolled_back']
const obstaclesShown = 5
const prunedAtOnce = 500

export class Operators {
  readonly #store: Store
  readonly #commits: GroupCommit
  readonly #facts: Facts
  readonly #clock: Clock
  readonly #added: (added: Added) => void

  /** `added` is told of every fact that landed. */
  constructor(store: Store, commits: GroupCommit, facts: Facts, clock: Clock, added: (added: Added) => void) {
    this.#store = store
    this.#commits = commits
    this.#facts = facts
    this.#clock = clock
    this.#added = added
  }

  async get(id: string): Promise<SagaView | undefined> {
    const saga = await this.#store.find({ id: checkId(id) })
    if (!saga || !('chunks' in saga)) return undefined
    const obstacles = saga.stage === 'waiting' ? await this.#store.obstacles(saga.n, obstaclesShown) : []
    return viewOf(saga, obstacles)
  }

  async list(options: ListOptions = {}): Promise<Page> {
    const { status, name, stuck, blocked, late, order = 'newest', limit = 50, after } = checkList(options)
    const rows = await this.#store.list({
      ...(status === undefined ? {} : { status: Array.isArray(status) ? status : [status as Status] }),
      ...(name === undefined ? {} : { name }),
      ...(stuck === undefined ? {} : { stuck }),
      ...(blocked === undefined ? {} : { blocked }),
      ...(late === undefined ? {} : { late }),
      ...(after === undefined ? {} : { after: Number(after) }),
      order,
      limit: limit + 1,
    })
    const last = rows.length > limit ? rows[limit - 1] : undefined
    const sagas = rows.slice(0, limit).map(summaryOf)
    return last ? { sagas, next: String(last.n) } : { sagas }
  }

  async journal(id: string): Promise<readonly JournalEntry[] | undefined> {
    const saga = await this.#store.find({ id: checkId(id) })
    return saga && 'chunks' in saga ? journalOf(saga.chunks) : undefined
  }

  async cancel(id: string, reason: string, by: ByWhom = {}): Promise<'cancelled' | 'already_rolling_back'> {
    checkText(reason, 'reason', 'cancel')
    const added = await this.#add(id, by, (state) => cancel(state, reason, by.actor))
    return added.entries.length > 0 ? 'cancelled' : 'already_rolling_back'
  }

  async retryNow(id: string, by: ByWhom = {}): Promise<void> {
    await this.#add(id, by, (state) => retryNow(state, by.actor))
  }

  async resolve(id: string, step: string, options: ResolveOptions): Promise<void> {
    checkNames(options, ['as', 'output', 'reason', 'actor', 'ifSeq'], 'resolve')
    const { as, output, reason, actor } = options
    if (as !== 'rolled_back' && as !== 'committed') {
      throw new BadInputError(`resolve: as is ${JSON.stringify(as)}`, "use 'rolled_back' or 'committed'")
    }
    checkText(reason, 'reason', 'resolve')
    checkText(actor, 'actor', 'resolve')
    const stored = storable(output, 'output')
    if (!stored.ok) throw new BadInputError(`resolve: ${stored.path} ${stored.reason}`, 'output must be JSON')
    const value = stored.value === undefined ? {} : { output: stored.value }
    await this.#add(id, options, (state) => resolve(state, step, { as, ...value, reason, actor }))
  }

  /** `version` must be known to the store: some process has offered it. */
  async rebind(id: string, version: string, by: RebindOptions = {}): Promise<void> {
    checkText(version, 'version', 'rebind')
    if (by.reason !== undefined) checkText(by.reason, 'reason', 'rebind')
    const saga = await this.#store.find({ id: checkId(id) })
    if (!saga || !('chunks' in saga)) throw notFound(id)
    const { name } = saga.definition
    const known = (await this.#store.definitions(name)).filter((ref) => ref.version === version)
    const target = known.at(-1)
    if (!target && saga.stage !== 'done') {
      throw new SagaStateError(`saga ${id}: no process has offered ${name}@${version} yet`, {
        code: 'NOT_REBINDABLE',
        sagaId: id,
        hint: 'start a process that offers it, then rebind',
      })
    }
    await this.#add(id, by, (state) => rebind(state, version, target?.shape ?? '', by.actor, by.reason))
  }

  /** Forgets ended sagas, but for a tombstone each. Returns how many. */
  async prune(options: PruneOptions = {}): Promise<number> {
    checkNames(options, ['olderThan', 'limit'], 'prune')
    const { olderThan = '30d', limit = Number.POSITIVE_INFINITY } = options
    const endedBefore = this.#clock.now() - duration(olderThan, 'olderThan')
    let pruned = 0
    let after: number | undefined
    while (pruned < limit) {
      const rows = await this.#store.list({
        status: ['committed', 'rolled_back'],
        endedBefore,
        order: 'oldest',
        limit: Math.min(prunedAtOnce, limit - pruned),
        ...(after === undefined ? {} : { after }),
      })
      if (rows.length === 0) break
      after = rows.at(-1)?.n
      const results = await Promise.all(rows.map(({ n }) => this.#pruneOne(n)))
      pruned += results.filter(Boolean).length
    }
    return pruned
  }

  async #pruneOne(n: number): Promise<boolean> {
    const saga = await this.#store.find({ n })
    if (!saga || !('chunks' in saga)) return false
    const hash = inputHash(saga.definition.name, stateOf(saga).input)
    const result = await this.#commits.write({ type: 'prune', n, inputHash: hash })
    return result.type === 'applied'
  }

  health(): Promise<Health> {
    return this.#store.health()
  }

  async #add(
    id: string,
    { ifSeq }: ByWhom,
    wish: (state: State) => ReturnType<typeof cancel>,
  ): Promise<Added> {
    // What is appended follows what was judged, or nothing is: so the journal ends there also when the fact lands.
    const added = await this.#facts.add({ id: checkId(id) }, (state, saga) => {
      if (ifSeq !== undefined) checkSeq(saga, ifSeq)
      return wish(state)
    })
    this.#added(added)
    return added
  }
}

function checkSeq({ id, chunks }: StoredSaga, ifSeq: number): void {
  const seq = chunks.at(-1)?.seq ?? 0
  if (seq === ifSeq) return
  throw new SagaStateError(`saga ${id} has changed: its journal ends with ${seq}, not with ${ifSeq}`, {
    code: 'CHANGED',
    sagaId: id,
    hint: 'look at it again, then decide again',
  })
}

function checkList(options: ListOptions): ListOptions {
  checkNames(options, listOptions, 'list')
  const { status, limit = 50, order = 'newest', after } = options
  for (const one of status === undefined ? [] : [status].flat()) {
    if (!statuses.includes(one)) {
      throw new BadInputError(`list: there is no status ${JSON.stringify(one)}`, `use ${statuses.join(', ')}`)
    }
  }
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 1_000) {
    throw new BadInputError('list: limit is out of range', 'use a whole number from 1 to 1000')
  }
  if (order !== 'newest' && order !== 'oldest') {
    throw new BadInputError(`list: there is no order ${JSON.stringify(order)}`, "use 'newest' or 'oldest'")
  }
  if (after !== undefined && !/^\d{1,15}$/.test(after)) {
    throw new BadInputError(
      'list: after is not what a page gave as next',
      'pass next of the page before, unchanged',
    )
  }
  return options
}

function checkText(value: unknown, what: string, where: string): void {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= 2_000) return
  throw new BadInputError(`${where}: ${what} is missing`, `say it in a text of 1 to 2000 characters`)
}
