/**
 * Faults are a pure function of seed, saga, step, direction and attempt.
 */
import { expect, test } from 'vitest'
import { type Cast, draw, type Fault, grace, stepTimeout } from '#dist/simulation/faults.js'

const cast = (saga: number, attempt = 1, more: Partial<Cast> = {}): Cast => ({
  seed: 42,
  saga,
  step: 'hotel',
  direction: 'commit',
  attempt,
  ...more,
})
const faults = (count: number, rate: number, more: Partial<Cast> = {}): Fault[] =>
  Array.from({ length: count }, (_, saga) => draw(cast(saga, 1, more), rate).fault)

test('the same cast draws the same, in any order', () => {
  const forward = Array.from({ length: 200 }, (_, saga) => draw(cast(saga), 0.5))
  const backward = Array.from({ length: 200 }, (_, index) => draw(cast(199 - index), 0.5)).reverse()
  expect(backward).toEqual(forward)
})

test('every part of the cast matters', () => {
  const other = [{ seed: 43 }, { step: 'flight' }, { direction: 'rollback' }, { attempt: 2 }] as const
  for (const more of other) expect(faults(200, 0.5, more)).not.toEqual(faults(200, 0.5))
})

test('the rate is kept: none at 0, about a tenth at 0.1', () => {
  expect(faults(500, 0).every(({ kind }) => kind === 'none')).toBe(true)
  const failed = faults(5_000, 0.1).filter(({ kind }) => kind !== 'none').length
  expect(failed).toBeGreaterThan(400)
  expect(failed).toBeLessThan(600)
})

test('a higher rate only adds faults', () => {
  const [low, high] = [faults(500, 0.1), faults(500, 0.3)]
  low.forEach((fault, saga) => {
    if (fault.kind !== 'none') expect(high[saga]).toEqual(fault)
  })
})

test('every kind occurs, and hangs land within the grace, after it, and never', () => {
  const drawn = faults(3_000, 0.9)
  const kinds = new Set(
    drawn.map((fault) => (fault.kind === 'refused' ? `refused ${fault.final}` : fault.kind)),
  )
  expect([...kinds].sort()).toEqual([
    'hang',
    'lost_after',
    'lost_before',
    'none',
    'refused false',
    'refused true',
  ])
  const landings = drawn.flatMap((fault) => (fault.kind === 'hang' ? [fault.lands] : []))
  expect(landings.filter((at) => at === null).length).toBeGreaterThan(50)
  expect(landings.every((at) => at === null || at >= stepTimeout)).toBe(true)
  expect(landings.filter((at) => at !== null && at < stepTimeout + grace).length).toBeGreaterThan(50)
  expect(landings.filter((at) => at !== null && at > stepTimeout + grace).length).toBeGreaterThan(50)
})

test('no rollback fails for ever, at the highest rate there is', () => {
  for (let saga = 0; saga < 200; saga++) {
    const attempts = Array.from({ length: 200 }, (_, n) =>
      draw(cast(saga, n + 1, { direction: 'rollback' }), 0.9),
    )
    expect(attempts.some(({ fault }) => fault.kind === 'none')).toBe(true)
  }
})
