/**
 * A journal as a picture: for each step a lane with its attempts, its pauses, and what may stand in the world meanwhile.
 * Pure: the same journal, steps and time give the same picture.
 *
 * Invariants
 * - Every attempt is in it: by itself, or counted in a folded block, which stands for failures that the journal keeps as one entry.
 * - Time goes one way: what another process wrote by a clock that is behind is drawn where it can have been at the earliest.
 */
import type { JournalEntry, StepView } from 'backstep'

type Of<Type extends JournalEntry['type']> = Extract<JournalEntry, { type: Type }>
export type Direction = 'commit' | 'rollback'

export interface Attempt {
  readonly kind: 'attempt'
  readonly step: string
  readonly direction: Direction
  readonly attempt: number
  readonly round: number
  readonly from: number
  /** null: it is open. */
  readonly to: number | null
  readonly end: 'open' | 'committed' | 'done' | 'rejected' | 'in_doubt' | 'pending' | 'given_up'
  readonly entry?: Of<'failed'> | Of<'committed'> | Of<'pending'>
}

/** Failures that were folded into one entry: the journal does not say any more when each of them began. */
export interface Folded {
  readonly kind: 'folded'
  readonly step: string
  readonly direction: Direction
  readonly from: number
  readonly to: number
  readonly count: number
  readonly doubt: boolean
  readonly entry: Of<'failed'> | Of<'pending'>
}

/** Nothing is called: the next attempt is awaited. */
export interface Pause {
  readonly direction: Direction
  readonly from: number
  readonly to: number
  /** It is not over: `to` is when it is due. */
  readonly goesOn: boolean
}

/** What the step has left in the world. */
export interface Effect {
  readonly kind: 'stands' | 'doubt'
  readonly from: number
  readonly to: number | null
}

/** A fact without a length. */
export interface Moment {
  readonly at: number
  readonly type: 'late' | 'verified' | 'resolved' | 'skipped'
  readonly entry: JournalEntry
}

export interface Lane {
  readonly step: string
  readonly position: number
  readonly pivot: boolean
  readonly blocks: readonly (Attempt | Folded)[]
  readonly pauses: readonly Pause[]
  readonly effects: readonly Effect[]
  readonly moments: readonly Moment[]
}

/** A fact of the saga as a whole. */
export interface Turn {
  readonly at: number
  readonly entry: JournalEntry
}

export interface Picture {
  readonly start: number
  /** The last thing that is known; of a saga that goes on: now, or when the next attempt is due. */
  readonly end: number
  readonly now: number | null
  readonly lanes: readonly Lane[]
  readonly turns: readonly Turn[]
}

interface Side {
  open?: { attempt: number; from: number; round: number }
  wait?: { from: number; until: number }
  /** The number of the last attempt that has been drawn, and when it ended. */
  drawn: number
  until: number | undefined
}

const untouched = (): Side => ({ drawn: 0, until: undefined })

type Draft<Shape> = {
  -readonly [Key in keyof Shape]: Shape[Key] extends readonly (infer One)[] ? One[] : Shape[Key]
}

class LaneDraft {
  readonly lane: Draft<Lane>
  readonly sides: Record<Direction, Side> = { commit: untouched(), rollback: untouched() }
  effect: { kind: Effect['kind']; from: number } | undefined

  constructor({ name, position, pivot }: Pick<StepView, 'name' | 'position' | 'pivot'>) {
    this.lane = { step: name, position, pivot, blocks: [], pauses: [], effects: [], moments: [] }
  }

  started({ direction, attempt, round = 1, since }: Of<'started'>, at: number): void {
    const from = since ?? at
    this.endWait(direction, from)
    this.sides[direction].open = { attempt, from, round }
  }

  failed(entry: Of<'failed'>, at: number): void {
    const { direction, since, nextAt, outcome } = entry
    const to = this.#answered(entry, direction, since, at)
    if (direction === 'commit' && outcome === 'in_doubt') this.leaves('doubt', to)
    if (nextAt !== undefined) this.sides[direction].wait = { from: to, until: nextAt }
  }

  pending(entry: Of<'pending'>, at: number): void {
    const to = this.#answered(entry, 'commit', at, at)
    this.sides.commit.wait = { from: to, until: entry.nextAt }
  }

  /**
   * Draws the attempts that an entry answers: the open one, or all that were folded into it. `since`: where the first of these ended,
   * if nothing better is known. Returns when the last one ended.
   */
  #answered(entry: Of<'failed'> | Of<'pending'>, direction: Direction, since: number, at: number): number {
    const side = this.sides[direction]
    // The chunk may have been overwritten later than the attempt ended; it was before the next was due.
    const to = Math.max(side.open?.from ?? side.until ?? 0, Math.min(at, entry.nextAt ?? at))
    const end = entry.type === 'pending' ? 'pending' : entry.outcome
    if (side.open?.attempt === entry.attempt) {
      this.close(direction, to, end, entry)
      return to
    }
    if (side.open) this.close(direction, Math.min(to, Math.max(since, side.open.from)), end)
    const from = Math.min(to, side.until ?? since)
    this.endWait(direction, from)
    this.#fold(entry, direction, from, to)
    return to
  }

  #fold(entry: Of<'failed'> | Of<'pending'>, direction: Direction, from: number, to: number): void {
    const side = this.sides[direction]
    const { attempt } = entry
    const count = attempt - side.drawn
    // A condition that threw: nothing was called.
    if (count < 1) return
    const doubt = entry.type === 'failed' && entry.doubt
    this.lane.blocks.push({ kind: 'folded', step: this.lane.step, direction, from, to, count, doubt, entry })
    side.drawn = attempt
    side.until = to
  }

  /** Ends the attempt that is open, if one is. */
  close(direction: Direction, to: number, end: Attempt['end'], entry?: Attempt['entry']): void {
    const side = this.sides[direction]
    this.endWait(direction, to)
    if (!side.open) return
    const { attempt, from } = side.open
    const until = Math.max(to, from)
    const block = { kind: 'attempt', step: this.lane.step, direction, ...side.open, to: until, end } as const
    this.lane.blocks.push(entry === undefined ? block : { ...block, entry })
    delete side.open
    side.drawn = attempt
    side.until = until
  }

  endWait(direction: Direction, at: number): void {
    const side = this.sides[direction]
    if (!side.wait) return
    const { from } = side.wait
    if (at > from) this.lane.pauses.push({ direction, from, to: at, goesOn: false })
    delete side.wait
  }

  /** From now on this stands in the world, or may. */
  leaves(kind: Effect['kind'], at: number): void {
    if (this.effect?.kind === kind) return
    if (this.effect?.kind === 'stands') return
    this.endEffect(at)
    this.effect = { kind, from: at }
  }

  endEffect(at: number | null): void {
    if (this.effect) this.lane.effects.push({ ...this.effect, to: at })
    this.effect = undefined
  }

  /** What is still under way. Returns when the next attempt is due. */
  finish(now: number, ended: boolean): number {
    let due = now
    for (const direction of ['commit', 'rollback'] as const) {
      const { open, wait } = this.sides[direction]
      const { step } = this.lane
      if (open) {
        const [to, end] = ended ? ([open.from, 'given_up'] as const) : ([null, 'open'] as const)
        this.lane.blocks.push({ kind: 'attempt', step, direction, ...open, to, end })
      }
      if (wait && !ended) {
        const to = Math.max(wait.until, now)
        this.lane.pauses.push({ direction, from: wait.from, to, goesOn: true })
        due = Math.max(due, to)
      }
    }
    this.endEffect(null)
    return due
  }
}

type Steps = readonly Pick<StepView, 'name' | 'position' | 'pivot'>[]

/** @param now the server's time, ms since 1970 */
export function pictureOf(journal: readonly JournalEntry[], steps: Steps, now: number): Picture {
  const drafts = new Map(steps.map((step) => [step.name, new LaneDraft(step)]))
  const turns: Turn[] = []
  const start = journal[0]?.at ?? now
  let last = start
  for (const entry of journal) {
    last = Math.max(last, entry.at)
    if (turning.has(entry.type)) turns.push({ at: last, entry })
    read(entry, drafts, last)
  }
  const present = Math.max(last, now)
  const ended = journal.at(-1)?.type === 'ended'
  const dues = [...drafts.values()].map((draft) => draft.finish(present, ended))
  return {
    start,
    end: ended ? last : dues.reduce((latest, due) => Math.max(latest, due), present),
    now: ended ? null : present,
    lanes: [...drafts.values()].map(({ lane }) => lane),
    turns,
  }
}

function read(entry: JournalEntry, drafts: ReadonlyMap<string, LaneDraft>, at: number): void {
  if (entry.type === 'rolling_back') {
    for (const draft of drafts.values()) draft.endWait('commit', at)
  } else if ('step' in entry) {
    const draft = drafts.get(entry.step)
    if (draft) add(draft, entry, at)
  }
}

const turning: ReadonlySet<string> = new Set<JournalEntry['type']>([
  'rolling_back',
  'retry_requested',
  'rebound',
  'deadline_passed',
  'ended',
])

type StepEntry = Of<
  | 'skipped'
  | 'started'
  | 'committed'
  | 'failed'
  | 'pending'
  | 'verified'
  | 'rolled_back'
  | 'late'
  | 'resolved'
>

function add(lane: LaneDraft, entry: StepEntry, at: number): void {
  switch (entry.type) {
    case 'started':
      return lane.started(entry, at)
    case 'failed':
      return lane.failed(entry, at)
    case 'pending':
      return lane.pending(entry, at)
    case 'committed':
      lane.close('commit', at, 'committed', entry)
      return lane.leaves('stands', at)
    case 'rolled_back':
      lane.close('rollback', at, 'done')
      return lane.endEffect(at)
    default:
      return happened(lane, entry, at)
  }
}

function happened(
  lane: LaneDraft,
  entry: Of<'skipped' | 'verified' | 'late' | 'resolved'>,
  at: number,
): void {
  lane.lane.moments.push({ at, type: entry.type, entry })
  if (entry.type === 'late' || (entry.type === 'verified' && entry.answer === 'committed'))
    lane.leaves('stands', at)
  if (entry.type === 'verified' && entry.answer === 'never') lane.endEffect(at)
  if (entry.type !== 'resolved') return
  const stands = entry.as === 'committed'
  for (const direction of ['commit', 'rollback'] as const) lane.close(direction, at, 'given_up')
  if (stands) lane.leaves('stands', at)
  else lane.endEffect(at)
}
