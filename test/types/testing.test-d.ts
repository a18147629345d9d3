/** What the types of the test kit know: input, outputs, the world and the step's output; and what they refuse. */
import { type Orchestrator, saga, step } from 'backstep'
import { checkStep, explore, TestOrchestrator } from 'backstep/testing'
import { expectTypeOf, test } from 'vitest'

interface Trip {
  readonly to: string
}

class Airline {
  readonly seats = new Map<string, string>()
}

const trip = saga<Trip>('trip').step('flight', { commit: () => ({ seat: '7A' }), rollback: () => {} })
const world = () => new Airline()

test('explore knows the world, the input and the outputs', () => {
  void explore(trip, {
    input: { to: 'LIS' },
    world,
    invariant: (end) => {
      expectTypeOf(end.world).toEqualTypeOf<Airline>()
      expectTypeOf(end.input).toEqualTypeOf<Trip>()
      expectTypeOf(end.outputs.flight?.seat).toEqualTypeOf<string | undefined>()
      expectTypeOf(end.status).toEqualTypeOf<'committed' | 'rolled_back'>()
    },
  })
})

test('a saga that is made for a world gets it', () => {
  void explore(
    (airline: Airline) =>
      saga<Trip>('trip').step('flight', { commit: () => void airline.seats.clear(), rollback: () => {} }),
    { input: { to: 'LIS' }, world, invariant: ({ world: { seats } }) => seats.size === 0 },
  )
})

test('an input that is missing or wrong is refused, and one that is not wanted need not be given', () => {
  const invariant = (): void => {}
  // @ts-expect-error no input
  void explore(trip, { world, invariant })
  // @ts-expect-error another input
  void explore(trip, { input: { from: 'OSL' }, world, invariant })
  void explore(saga('plain').step('one', { commit: () => 1, rollback: () => {} }), { world, invariant })
  // @ts-expect-error a world that can neither be made nor reset
  void explore(trip, { input: { to: 'LIS' }, world: { seats: 1 }, invariant })
})

test('a bare list is explored as well', () => {
  void explore([{ commit: () => 1, rollback: () => {} }], { world, invariant: () => true })
})

test('checkStep takes a step, a member and a saga', () => {
  void checkStep(
    { commit: () => ({ seat: '7A' }), rollback: ({ output }) => void output?.seat.length },
    { world },
  )
  void checkStep(step({ commit: () => 1, rollback: () => {} }), { world })
  void checkStep(trip, { step: 'flight', input: { to: 'LIS' }, world, state: ({ seats }) => seats })
  // @ts-expect-error no property of that name
  void checkStep(trip, { step: 'flight', input: { to: 'LIS' }, world, except: ['everything'] })
})

test('a test orchestrator runs as an orchestrator does', async () => {
  const test = await TestOrchestrator.open({ sagas: [trip] })
  expectTypeOf(test.orchestrator).toEqualTypeOf<Orchestrator>()
  const ended = await test.run(trip, { to: 'LIS' })
  expectTypeOf(ended.flight.seat).toEqualTypeOf<string>()
  // @ts-expect-error no input
  void test.run(trip)
})
