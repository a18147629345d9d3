/** The picture of a journal, and its axis: of histories that sagas really made, and of axes drawn by chance. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  InDoubt,
  type JournalEntry,
  memoryStore,
  Orchestrator,
  pending,
  Rejected,
  saga,
  step,
} from 'backstep'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Attempt, type Lane, type Picture, pictureOf } from '../../dashboard/src/timeline/model.js'
import { scaleOf } from '../../dashboard/src/timeline/scale.js'
import { blockText, tickText } from '../../dashboard/src/timeline/words.js'

/** What the next calls of each step do, then all succeed. */
type Script = Readonly<Record<string, string>>

const deeds: Readonly<Record<string, () => unknown>> = {
  r: () => {
    throw new Rejected('sold out')
  },
  d: () => {
    throw new InDoubt('hung up')
  },
  p: () => pending({ checkAfter: 3 }),
  // Longer than the timeout and its grace: its success comes late.
  l: () => sleep(300),
}

const called = new Map<string, number>()

function play(script: string | undefined, who: string): unknown {
  const number = called.get(who) ?? 0
  called.set(who, number + 1)
  return deeds[script?.[number] ?? 'ok']?.()
}

interface Call {
  readonly input: Script
  readonly sagaId: string
}

const acting = (name: string) => ({
  commit: async ({ input, sagaId }: Call) => (await play(input[name], `${sagaId} ${name}`)) as undefined,
  rollback: async ({ input, sagaId }: Call) => {
    await play(input[`${name} back`], `${sagaId} ${name} back`)
  },
  timeout: 20,
  retry: { attempts: 3, min: 1, max: 4 },
  rollbackRetry: { min: 1, max: 4 },
})

const keys = () => []
const oneByOne = saga<Script>('one-by-one', { keys })
  .step('x', acting('x'))
  .step('y', acting('y'))
  .step('z', acting('z'))
const sideBySide = saga<Script>('side-by-side', { keys })
  .step('x', acting('x'))
  .parallel({ y: step(acting('y')), z: step(acting('z')) })

interface Told {
  readonly id: string
  readonly picture: Picture
  readonly journal: readonly JournalEntry[]
  readonly attempts: ReadonlyMap<string, readonly [commit: number, rollback: number]>
}

const scripts: readonly Script[] = [
  {},
  { y: 'dd' },
  { z: 'r' },
  { z: 'd', 'y back': 'ddd' },
  { x: 'p', y: 'ppppp', z: 'pr' },
  { y: 'd', z: 'r', 'x back': 'dddddddddddd' },
  { y: 'ddd' },
  { y: 'l', 'x back': 'd' },
  { z: 'lll' },
  { x: 'dpd', y: 'pdp', z: 'dd' },
]

describe('the picture of a real history', () => {
  const told: Told[] = []

  beforeAll(async () => {
    const sagas = [oneByOne, sideBySide]
    await using orchestrator = await Orchestrator.open(memoryStore(), { sagas, log: false, grace: 5 })
    for (const [index, script] of scripts.entries()) {
      await orchestrator.submit(oneByOne, script, { id: `a${index}` })
      await orchestrator.submit(sideBySide, script, { id: `b${index}` })
    }
    const status = ['queued', 'running', 'rolling_back'] as const
    const ended = async () => expect((await orchestrator.list({ status })).sagas).toEqual([])
    await vi.waitFor(ended, 10_000)
    // What was given up takes effect late, and is rolled back for that.
    await vi.waitFor(
      async () => expect((await orchestrator.list({ late: true })).sagas).not.toEqual([]),
      10_000,
    )
    await sleep(400)
    await vi.waitFor(ended, 10_000)
    for (const { id } of (await orchestrator.list({ limit: 100 })).sagas) {
      const [saga, journal] = await Promise.all([orchestrator.get(id), orchestrator.journal(id)])
      if (!saga || !journal) throw new Error(`${id} is gone`)
      told.push({
        id,
        journal,
        picture: pictureOf(journal, saga.steps, Date.now()),
        attempts: new Map(
          saga.steps.map((step) => [step.name, [step.commitAttempts, step.rollbackAttempts]]),
        ),
      })
    }
  })

  const counted = ({ blocks }: Lane, direction: string): number =>
    blocks
      .filter((block) => block.direction === direction)
      .reduce((sum, block) => sum + (block.kind === 'folded' ? block.count : 1), 0)

  test('has every attempt, by itself or counted in a fold', () => {
    expect(told.length).toBe(2 * scripts.length)
    for (const { id, picture, attempts } of told) {
      const seen = picture.lanes.map((lane) => [
        lane.step,
        [counted(lane, 'commit'), counted(lane, 'rollback')],
      ])
      expect(Object.fromEntries(seen), id).toEqual(Object.fromEntries(attempts))
    }
    const folds = told
      .flatMap(({ picture }) => picture.lanes.flatMap(({ blocks }) => blocks))
      .filter(({ kind }) => kind === 'folded')
    expect(folds.length).toBeGreaterThan(2)
  })

  test('time goes one way, nothing lies outside of the span, nothing is open after the end', () => {
    for (const { id, picture } of told) {
      expect(picture.now, id).toBeNull()
      for (const { blocks, pauses } of picture.lanes) {
        for (const { from, to } of [...blocks, ...pauses]) {
          expect(to, id).not.toBeNull()
          expect(from, id).toBeGreaterThanOrEqual(picture.start)
          expect(to, id).toBeGreaterThanOrEqual(from)
          expect(to, id).toBeLessThanOrEqual(picture.end)
        }
        for (const direction of ['commit', 'rollback'] as const) {
          const own = blocks.filter((block) => block.direction === direction)
          own.slice(1).forEach(({ from }, index) => {
            expect(from, id).toBeGreaterThanOrEqual(own[index]?.to ?? 0)
          })
        }
      }
    }
  })

  test('what stands is drawn from its commit to its rollback, and to the end where it was not undone', () => {
    for (const { id, picture, journal } of told) {
      const ended = journal.findLast(({ type }) => type === 'ended')
      const open = picture.lanes.filter(({ effects }) => effects.some(({ to }) => to === null))
      const stands = ended?.type === 'ended' && ended.status === 'committed' ? picture.lanes.length : 0
      expect(open.length, id).toBe(stands)
    }
    const late = told
      .flatMap(({ picture }) => picture.lanes.flatMap(({ moments }) => moments))
      .filter(({ type }) => type === 'late')
    expect(late.length).toBeGreaterThan(0)
  })

  test('says of each call what it did', () => {
    const sentences = told.flatMap(({ picture }) =>
      picture.lanes.flatMap(({ blocks }) => blocks.map((block) => blockText(block, picture.end))),
    )
    expect(sentences.join('\n')).toMatch(
      /attempt 1 of the commit of y: in doubt after \S+ ?\S*: InDoubt: hung up/,
    )
    expect(sentences.join('\n')).toMatch(
      /rollback of x: failed \d+ times within .*kept as one; at last InDoubt: hung up/,
    )
    expect(sentences.join('\n')).toMatch(/commit of y: said \d+ times within .* still going on/)
    expect(sentences.join('\n')).not.toMatch(/undefined|NaN/)
  })

  afterAll(() => void told.splice(0))
})

describe('the axis', () => {
  /** Calls and pauses, one after the other, ms. */
  const spans = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 50_000_000 })),
    {
      minLength: 1,
      maxLength: 40,
    },
  )

  function pictureFrom(lengths: readonly (readonly [call: number, pause: number])[]): Picture {
    const start = 1_000_000
    let at = start
    const blocks = lengths.map(([call, pause], index): Attempt => {
      const from = at
      at += call + pause
      const to = from + call
      return {
        kind: 'attempt',
        step: 'x',
        direction: 'commit',
        attempt: index + 1,
        round: 1,
        from,
        to,
        end: 'rejected',
      }
    })
    const lane = { step: 'x', position: 0, pivot: false, blocks, pauses: [], effects: [], moments: [] }
    return { start, end: at, now: null, lanes: [lane], turns: [] }
  }

  test.each([false, true])('true to scale: %s – never goes back, and fits', (true_) => {
    fc.assert(
      fc.property(spans, fc.integer({ min: 100, max: 2_000 }), (lengths, width) => {
        const picture = pictureFrom(lengths)
        const { at, ticks, breaks } = scaleOf(picture, width, true_)
        const times = Array.from(
          { length: 101 },
          (_, part) => picture.start + ((picture.end - picture.start) * part) / 100,
        )
        const places = times.map(at)
        const back = places.filter((x, index) => x < (places[index - 1] ?? 0) - 1e-6)
        expect([back, places[0], Math.max(...places) <= width + 1e-6]).toEqual([[], 0, true])
        const texts = ticks.map(tickText)
        expect(new Set(texts).size).toBe(texts.length)
        const inside = ticks.filter(({ time }) =>
          breaks.some(({ from, to }) => time > from - picture.start && time < to - picture.start),
        )
        expect(inside).toEqual([])
      }),
    )
  })

  test('true to scale, lengths are true', () => {
    const picture = pictureFrom([
      [100, 800],
      [100, 0],
    ])
    const { at, breaks } = scaleOf(picture, 1_000, true)
    expect([0, 100, 900, 1_000].map((ms) => Math.round(at(picture.start + ms)))).toEqual([0, 100, 900, 1_000])
    expect(breaks).toEqual([])
  })

  test('otherwise a call of milliseconds is seen beside a pause of an hour, which is marked', () => {
    const picture = pictureFrom([
      [5, 3_600_000],
      [5, 0],
    ])
    const { at, breaks } = scaleOf(picture, 600, false)
    expect(at(picture.start + 5)).toBeGreaterThan(9)
    expect(breaks).toEqual([{ from: picture.start + 5, to: picture.start + 3_600_005 }])
  })

  test('of two pauses the longer one is drawn longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e8 }), fc.integer({ min: 1, max: 1e8 }), (one, other) => {
        const picture = pictureFrom([
          [20, one],
          [20, other],
          [20, 0],
        ])
        const { at } = scaleOf(picture, 800, false)
        const px = (from: number, to: number): number => at(picture.start + to) - at(picture.start + from)
        const [first, second] = [px(20, 20 + one), px(40 + one, 40 + one + other)]
        if (one > other) expect(first).toBeGreaterThan(second)
        if (one < other) expect(first).toBeLessThan(second)
      }),
    )
  })
})
