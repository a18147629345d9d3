/**
 * Properties: of the backoff, of folding, of answers to operators, and of the core on journals that no executor would write.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoff, later } from '#dist/core/backoff.js'
import { decide } from '#dist/core/decide.js'
import type { Chunk, Direction, Entry } from '#dist/core/entry.js'
import { begin, evolve, replay } from '#dist/core/evolve.js'
import { fold } from '#dist/core/fold.js'
import type { Backoff, Plan } from '#dist/core/plan.js'
import type { State, StepState } from '#dist/core/state.js'
import { resolve } from '#dist/core/summary.js'
import { core, Driver, isOver, type Moment } from './driver.js'
import { movesOf } from './moves.js'
import { planOf } from './plans.js'
import { runs } from './runs.js'

describe('backoff (scenario 5)', () => {
  const ms = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const policy = fc
    .record({ one: ms, other: ms, factor: fc.double({ min: 1, max: 1e6, noNaN: true }) })
    .map(
      ({ one, other, factor }): Backoff => ({ min: Math.min(one, other), max: Math.max(one, other), factor }),
    )
  const attempt = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 1_000_000 }))
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

  test('is finite and within [min, max], for attempts up to a million', () => {
    fc.assert(
      fc.property(policy, attempt, random, (given, n, chance) => {
        const wait = backoff(given, n, chance)
        expect(Number.isInteger(wait)).toBe(true)
        expect(wait).toBeGreaterThanOrEqual(given.min)
        expect(wait).toBeLessThanOrEqual(given.max)
      }),
      { numRuns: runs(2_000) },
    )
  })

  test('never shrinks as attempts go on', () => {
    fc.assert(
      fc.property(policy, attempt, random, (given, n, chance) => {
        expect(backoff(given, n + 1, chance)).toBeGreaterThanOrEqual(backoff(given, n, chance))
      }),
    )
  })

  test('is min + random · (capped − min), where capped = min(max, min · factor^(n−1))', () => {
    const given = { min: 100, max: 60_000, factor: 2 }
    expect([1, 2, 3, 4, 10, 11, 1_000_000].map((n) => backoff(given, n, 0.5))).toEqual([
      100, 150, 250, 450, 25_650, 30_050, 30_050,
    ])
    expect([0, 0.25, 0.5, 0.999].map((chance) => backoff(given, 3, chance))).toEqual([100, 175, 250, 400])
  })

  test('spreads: two waits after the same failure are seldom the same', () => {
    const waits = new Set(
      Array.from({ length: 1_000 }, (_, i) => backoff({ min: 100, max: 60_000, factor: 2 }, 20, i / 1_000)),
    )
    expect(waits.size).toBe(1_000)
  })

  test('of nothing stays nothing, and later stays a time that can be named', () => {
    expect(backoff({ min: 0, max: 60_000, factor: 2 }, 1_000_000, 0.9)).toBe(0)
    expect(later(Date.UTC(2026, 0), Number.MAX_SAFE_INTEGER)).toBe(8.64e15)
    expect(new Date(later(0, 2 ** 53)).getTime()).not.toBeNaN()
  })
})

const plans: readonly Plan[] = [
  planOf('a', { a: { attempts: 3 } }),
  planOf('a > b | c > d', { b: { attempts: 2, hasVerify: true }, c: { attempts: 2 } }),
  planOf('a > b! > c > d', { b: { hasVerify: true }, c: { hasVerify: true }, a: { hasRollback: false } }),
  planOf('a | b', { a: { attempts: Number.POSITIVE_INFINITY }, b: { attempts: Number.POSITIVE_INFINITY } }),
]

const budget = {
  faults: 12,
  kills: 3,
  freezes: 2,
  closes: 2,
  cancels: 1,
  retries: 2,
  resolves: 1,
  rebinds: 0,
}

/** Keeps the journal as it would be if nothing were ever overwritten. */
class Recorder extends Driver {
  readonly unfolded: Chunk[] = []

  override write(moment: Moment, entries: readonly Entry[], by: 'owner' | 'other'): Moment {
    if (entries.length > 0) this.unfolded.push({ seq: this.unfolded.length + 1, at: moment.now, entries })
    return super.write(moment, entries, by)
  }
}

/** Walks by chance, with every law judged on the way; `see` is told of every moment. */
function walk(
  plan: Plan,
  steps: readonly number[],
  see: (moment: Moment) => void = () => {},
): readonly [Recorder, Moment] {
  const driver = new Recorder(core, false)
  let moment = driver.submit(plan, undefined, [], budget)
  for (const step of steps) {
    see(moment)
    const moves = movesOf(driver, {}, moment)
    const move = moves[step % moves.length]
    if (!move) break
    moment = move.make()
  }
  return [driver, moment]
}

const steps = fc.array(fc.nat(1_000), { minLength: 5, maxLength: 60 })

describe('on long histories, by chance', () => {
  test('the folded journal replays to the state of the unfolded one', () => {
    let folded = 0
    fc.assert(
      fc.property(fc.constantFrom(...plans), steps, (plan, chosen) => {
        const [{ unfolded }, { chunks, state }] = walk(plan, chosen)
        folded += unfolded.length + 1 - chunks.length
        const first = chunks[0] as Chunk
        expect(replay(plan, chunks)).toEqual(replay(plan, [first, ...unfolded]))
        expect(replay(plan, chunks)).toEqual(state)
        expect(chunks.map(({ seq }) => seq)).toEqual(chunks.map((_, i) => i))
      }),
      { numRuns: runs(1_500) },
    )
    expect(folded).toBeGreaterThan(runs(500))
  })

  test('a folded chunk never grows beyond a few entries a step', () => {
    fc.assert(
      fc.property(fc.constantFrom(...plans), steps, (plan, chosen) => {
        const [, { chunks }] = walk(plan, chosen)
        for (const { entries } of chunks)
          expect(entries.length).toBeLessThanOrEqual(4 * plan.steps.length + 2)
      }),
    )
  })

  test('an answer or an intent that was overtaken changes nothing', () => {
    let overtaken = 0
    fc.assert(
      fc.property(fc.constantFrom(...plans), steps, (plan, chosen) => {
        walk(plan, chosen, ({ state }) => {
          for (const entry of plan.steps.flatMap(({ name }, i) =>
            overtakenBy(state.steps[i] as StepState, name),
          )) {
            overtaken++
            expect(evolve(state, entry, 1).steps).toBe(state.steps)
          }
        })
      }),
      { numRuns: runs(200) },
    )
    expect(overtaken).toBeGreaterThan(runs(1_000))
  })

  test('resolve is accepted exactly where it means something, and then it does what it says', () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.constantFrom(...plans), steps, (plan, chosen) => {
        walk(plan, chosen, ({ state }) => {
          for (const { name } of plan.steps) accepted += resolvable(state, name)
        })
      }),
      { numRuns: runs(200) },
    )
    expect(accepted).toBeGreaterThan(runs(100))
  })
})

/** What a process that has not read the journal might still say of a step. */
function overtakenBy({ commit, undo, attempts, undoAttempts, round }: StepState, step: string): Entry[] {
  const failed = (direction: Direction, attempt: number): Entry => ({
    ...{ type: 'failed', step, direction, attempt, outcome: 'rejected', cause: 'thrown' },
    ...{ failures: 1, used: 1, crashes: 0, doubt: false, since: 1, error: { name: 'Error', message: 'm' } },
  })
  const answers = (attempt: number): Entry[] => [
    failed('commit', attempt),
    { type: 'committed', step, attempt },
    { type: 'pending', step, attempt, polls: 9, nextAt: 9 },
  ]
  const isDecided = commit.is === 'committed' || commit.is === 'failed' || commit.is === 'skipped'
  const begun: Entry = {
    type: 'started',
    step,
    direction: 'commit',
    attempt: isDecided ? attempts + 1 : attempts,
  }
  const undoing: Entry = { type: 'started', step, direction: 'rollback', attempt: undoAttempts }
  return [
    begun,
    undoing,
    ...answers(commit.is === 'open' ? attempts - 1 : attempts),
    ...(isDecided ? [...answers(attempts + 1), { type: 'skipped', step } as const] : []),
    ...(undo.is === 'open' ? [failed('rollback', undoAttempts - 1)] : []),
    ...(undo.is === 'done' ? [{ ...failed('rollback', undoAttempts + 1), round } as Entry] : []),
    { type: 'rolled_back', step, attempt: undo.is === 'open' ? undoAttempts - 1 : undoAttempts },
  ]
}

/** How many of the two ways to resolve this step are accepted. */
function resolvable(state: State, name: string): number {
  let accepted = 0
  for (const as of ['committed', 'rolled_back'] as const) {
    const answer = resolve(state, name, { as, output: 7, reason: 'r', actor: 'a' })
    if ('refused' in answer) {
      expect(answer.refused).toBe(isOver(state) ? 'ENDED' : 'NOT_RESOLVABLE')
      continue
    }
    accepted++
    expect(Boolean(state.wayBack)).toBe(as === 'rolled_back')
    const index = state.plan.steps.findIndex((step) => step.name === name)
    const step = answer.entries.reduce((next, entry) => evolve(next, entry, 1), state).steps[index]
    if (as === 'rolled_back') expect(step?.undo.is).toBe('done')
    else
      expect(step).toMatchObject({ output: 7, commit: { is: expect.stringMatching(/^(committed|open)$/) } })
  }
  return accepted
}

describe('on journals that no executor would write', () => {
  const step = fc.oneof({ weight: 9, arbitrary: fc.constantFrom('a', 'b', 'c') }, fc.constant('nobody'))
  const attempt = fc.integer({ min: 0, max: 4 })
  const at = fc.integer({ min: 0, max: 50 })
  const error = { name: 'Error', message: 'm' }
  const direction = fc.constantFrom('commit' as const, 'rollback' as const)
  const failed = fc.record(
    {
      type: fc.constant('failed' as const),
      step,
      direction,
      attempt,
      round: fc.integer({ min: 1, max: 3 }),
      outcome: fc.constantFrom('rejected' as const, 'in_doubt' as const),
      cause: fc.constantFrom('thrown' as const, 'timeout' as const, 'crash' as const, 'condition' as const),
      failures: attempt,
      used: attempt,
      crashes: attempt,
      doubt: fc.boolean(),
      since: at,
      error: fc.constant(error),
      nextAt: at,
    },
    {
      noNullPrototype: true,
      requiredKeys: [
        'type',
        'step',
        'direction',
        'attempt',
        'outcome',
        'cause',
        'failures',
        'used',
        'crashes',
        'doubt',
        'since',
        'error',
      ],
    },
  )
  const other = (): fc.Arbitrary<Entry> =>
    fc.oneof(
      fc.record({ type: fc.constant('started' as const), step, direction, attempt }),
      fc.record({ type: fc.constant('rolled_back' as const), step, attempt }),
      fc.record({ type: fc.constant('late' as const), step, attempt, output: fc.constant(1) }),
      fc.record({ type: fc.constant('pending' as const), step, attempt, polls: attempt, nextAt: at }),
      fc.record({ type: fc.constant('skipped' as const), step }),
      fc.record({
        type: fc.constant('verified' as const),
        step,
        answer: fc.constantFrom('committed' as const, 'never' as const, 'unknown' as const),
      }),
      fc.record({
        type: fc.constant('resolved' as const),
        step,
        as: fc.constantFrom('committed' as const, 'rolled_back' as const),
        reason: fc.constant('r'),
        actor: fc.constant('a'),
      }),
      fc.constant({ type: 'retry_requested' as const }),
      fc.constant({ type: 'deadline_passed' as const }),
    )
  // Both decisions are rare: what comes before them would hardly be seen otherwise.
  const entry: fc.Arbitrary<Entry> = fc.oneof(
    { weight: 30, arbitrary: failed },
    { weight: 30, arbitrary: fc.record({ type: fc.constant('committed' as const), step, attempt }) },
    { weight: 40, arbitrary: other() },
    { weight: 2, arbitrary: fc.constant({ type: 'rolling_back' as const, reason: 'cancelled' as const }) },
  )
  const entries = fc.array(entry, { maxLength: 25 })
  const shape = fc.constantFrom('a > b > c', 'a | b > c', 'a > b! > c', 'a! > b | c')

  test('evolve never throws, and never takes back a doubt, a decision, a position or a pivot', () => {
    fc.assert(
      fc.property(shape, entries, (given, said) => {
        let state = begun(given)
        for (const one of said) {
          const next = evolve(state, one, 1)
          expect(next.position).toBeGreaterThanOrEqual(state.position)
          expect(next.wayBack ?? state.wayBack).toBe(next.wayBack)
          expect(next.pastPivot || !state.pastPivot).toBe(true)
          expect(next.pastPivot && next.wayBack).toBeFalsy()
          expect(next.steps.every((after, i) => after.doubt || !state.steps[i]?.doubt)).toBe(true)
          state = next
        }
      }),
      { numRuns: runs(3_000) },
    )
  })

  test('decide never goes round in circles: what it records leads on', () => {
    fc.assert(
      fc.property(shape, entries, fc.integer({ min: 0, max: 100 }), (given, said, now) => {
        let state = said.reduce((before, one) => evolve(before, one, 1), begun(given))
        for (let i = 0; i < 4; i++) {
          const decision = decide(state, now)
          if (decision.do !== 'record') return
          state = evolve(state, decision.entry, now)
        }
        expect(decide(state, now).do).not.toBe('record')
      }),
      { numRuns: runs(3_000) },
    )
  })

  test('fold leaves a large chunk alone: a thousand siblings that fail one by one are not quadratic', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `s${i}`)
    let tail: Chunk = { seq: 1, at: 0, entries: [] }
    let written = 0
    for (const name of names) {
      const one: Entry = { type: 'started', step: name, direction: 'rollback', attempt: 2 }
      const folded = fold(tail, [one])
      tail = { ...tail, entries: folded ?? [one] }
      written += tail.entries.length
    }
    expect(written).toBeLessThan(names.length * 100)
    expect(written).toBeGreaterThan(names.length * 10)
  })

  test('fold overwrites nothing but attempts and their answers, and says nothing that was not said', () => {
    fc.assert(
      fc.property(entries, entries, (tail, next) => {
        const folded = fold({ seq: 1, at: 7, entries: tail }, next)
        if (!folded) return
        for (const one of [...tail, ...next])
          expect(one.type === 'verified' ? one.answer : one.type).toMatch(
            /^(started|failed|pending|unknown)$/,
          )
        for (const one of folded) {
          const { since: _, ...bare } = one as Entry & { since?: number }
          const said = [...tail, ...next].map(({ since: __, ...rest }: Entry & { since?: number }) => rest)
          expect(said).toContainEqual(bare)
        }
      }),
    )
  })
})

const begun = (shape: string): State =>
  begin(planOf(shape), { type: 'submitted', uid: 'u', input: null, keys: null })
