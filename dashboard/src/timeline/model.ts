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
  readonly entry?: Of<'failed'> | Of<'committed'>
}

/** Failures that were folded into one entry. */
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
  /** Failures, and polls, that the picture has so far. */
  failures: number
  polls: number
}

type Draft<Shape> = {
  -readonly [Key in keyof Shape]: Shape[Key] extends readonly (infer One)[] ? One[] : Shape[Key]
}

class LaneDraft {
  readonly lane: Draft<Lane>
  readonly sides: Record<Direction, Side> = {
    commit: { failures: 0, polls: 0 },
    rollback: { failures: 0, polls: 0 },
  }
  effect: { kind: Effect['kind']; from: number } | undefined

  constructor({ name, position, pivot }: Pick<StepView, 'name' | 'position' | 'pivot'>) {
    this.lane = { step: name, position, pivot, blocks: [], pauses: [], effects: [], moments: [] }
  }

  started({ direction, attempt, round = 1, since }: Of<'started'>, at: number): void {
    const side = this.sides[direction]
    const from = since ?? at
    if (round > (this.#lastRound(direction) ?? 1)) side.failures = 0
    this.endWait(direction, from)
    side.open = { attempt, from, round }
  }

  #lastRound(direction: Direction): number | undefined {
    const last = this.lane.blocks.findLast(
      (block) => block.kind === 'attempt' && block.direction === direction,
    )
    return last?.kind === 'attempt' ? last.round : undefined
  }

  failed(entry: Of<'failed'>, at: number): void {
    const { direction, failures, since, nextAt, outcome, doubt } = entry
    const side = this.sides[direction]
    const to = nextAt === undefined ? at : Math.max(side.open?.from ?? 0, Math.min(at, nextAt))
    const fresh = failures - side.failures
    if (fresh > 1 || !side.open) {
      if (side.open) this.close(direction, Math.max(since, side.open.from), outcome)
      const from = Math.min(to, Math.max(this.#lastEnd(direction) ?? since, since))
      const count = Math.max(1, fresh - (this.#closedSince(direction, from) ? 1 : 0))
      this.lane.blocks.push({
        kind: 'folded',
        step: this.lane.step,
        direction,
        from,
        to,
        count,
        doubt,
        entry,
      })
      this.endWait(direction, from)
    } else this.close(direction, to, outcome, entry)
    side.failures = failures
    if (direction === 'commit' && outcome === 'in_doubt') this.leaves('doubt', to)
    if (nextAt !== undefined) side.wait = { from: to, until: nextAt }
  }

  #lastEnd(direction: Direction): number | undefined {
    return this.lane.blocks.findLast((block) => block.direction === direction)?.to ?? undefined
  }

  #closedSince(direction: Direction, at: number): boolean {
    const last = this.lane.blocks.findLast((block) => block.direction === direction)
    return last?.kind === 'attempt' && last.to === at && last.entry === undefined
  }

  pending(entry: Of<'pending'>, at: number): void {
    const side = this.sides.commit
    const to = Math.max(side.open?.from ?? 0, Math.min(at, entry.nextAt))
    const fresh = entry.polls - side.polls
    if (fresh > 1) {
      const from = Math.min(to, this.#lastEnd('commit') ?? side.open?.from ?? at)
      if (side.open) this.close('commit', Math.max(from, side.open.from), 'pending')
      const count = fresh
      const { step } = this.lane
      this.lane.blocks.push({
        kind: 'folded',
        step,
        direction: 'commit',
        from,
        to,
        count,
        doubt: false,
        entry,
      })
    } else this.close('commit', to, 'pending')
    side.polls = entry.polls
    side.wait = { from: to, until: entry.nextAt }
  }

  /** Ends the attempt that is open, if one is. */
  close(direction: Direction, to: number, end: Attempt['end'], entry?: Attempt['entry']): void {
    const side = this.sides[direction]
    this.endWait(direction, to)
    if (!side.open) return
    const { step } = this.lane
    const given = entry === undefined ? {} : { entry }
    const block = {
      kind: 'attempt',
      step,
      direction,
      ...side.open,
      to: Math.max(to, side.open.from),
      end,
    } as const
    this.lane.blocks.push({ ...block, ...given })
    delete side.open
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
  const drafts = steps.map((step) => new LaneDraft(step))
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
  const dues = drafts.map((draft) => draft.finish(present, ended))
  return {
    start,
    end: ended ? last : Math.max(present, ...dues),
    now: ended ? null : present,
    lanes: drafts.map(({ lane }) => lane),
    turns,
  }
}

function read(entry: JournalEntry, drafts: readonly LaneDraft[], at: number): void {
  if (entry.type === 'rolling_back') {
    for (const draft of drafts) draft.endWait('commit', at)
  } else if ('step' in entry) {
    const draft = drafts.find(({ lane }) => lane.step === entry.step)
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
