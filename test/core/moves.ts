/**
 * Everything that can happen next in a history: what a call may do, who may crash, and what people may ask for.
 * Each move has a name that a person can read, so that a history can also be told by hand (see golden.test.ts).
 */
import type { Call } from '#dist/core/decide.js'
import type { Entry } from '#dist/core/entry.js'
import type { Plan } from '#dist/core/plan.js'
import type { VerifyAnswer } from '#dist/core/settle.js'
import { type Answer, cancel, rebind, resolve, retryNow } from '#dist/core/summary.js'
import { type Budget, type Driver, isOver, type Moment } from './driver.js'
import { Violation } from './laws.js'
import { nameOf, type Outcome, outcomesOf } from './outcomes.js'
import { change, land, service, undo, type World } from './world.js'

export interface Move {
  readonly name: string
  readonly make: () => Moment
}

/** What may happen beside the calls of a saga, where its budget has any of it. */
export interface Rules {
  /** The version that `rebind` moves the saga to. */
  readonly next?: Plan
  /** Two calls may settle before either is written. */
  readonly pairs?: boolean
}

const spend = (moment: Moment, what: keyof Budget): Moment => ({
  ...moment,
  left: { ...moment.left, [what]: moment.left[what] - 1 },
})

export function movesOf(driver: Driver, rules: Rules, moment: Moment): Move[] {
  if (isOver(moment.state)) return [...landings(driver, moment), ...wishes(driver, rules, moment)]
  const mine: Move[] = moment.unseen
    ? [{ name: 'it looks', make: () => driver.advance(moment) }]
    : [...settlements(driver, rules, moment), ...passing(driver, moment)]
  return [...mine, ...landings(driver, moment), ...crashes(driver, moment), ...wishes(driver, rules, moment)]
}

// What a call may do

function settlements(driver: Driver, rules: Rules, moment: Moment): Move[] {
  const alone = moment.calls.flatMap((call) =>
    call.kind === 'verify'
      ? verdicts(driver, moment, call)
      : outcomesOf(moment, call).map((outcome) => ({
          name: outcome.name,
          make: () => settled(driver, moment, [[call, outcome]]),
        })),
  )
  return rules.pairs ? [...alone, ...together(driver, moment)] : alone
}

function together(driver: Driver, moment: Moment): Move[] {
  const [one, two] = moment.calls.filter(({ kind }) => kind !== 'verify')
  if (!one || !two) return []
  return outcomesOf(moment, one).flatMap((first) =>
    outcomesOf({ ...moment, world: first.world, left: afterFault(moment, first).left }, two).map(
      (second) => ({
        name: `${first.name}, and ${second.name}`,
        make: () =>
          settled(driver, moment, [
            [one, first],
            [two, second],
          ]),
      }),
    ),
  )
}

const afterFault = (moment: Moment, { fault }: Outcome): Moment => (fault ? spend(moment, 'faults') : moment)

function settled(driver: Driver, before: Moment, outcomes: readonly (readonly [Call, Outcome])[]): Moment {
  let moment = before
  let { state } = before
  const said: Entry[] = []
  for (const [call, outcome] of outcomes) {
    const { step, attempt, kind } = call
    if (kind === 'verify') continue
    const entries = driver.core.settle(
      state,
      { step, direction: kind, attempt },
      outcome.result,
      moment.now,
      0,
    )
    state = driver.evolveAll(state, entries, moment.now)
    said.push(...entries)
    moment = {
      ...afterFault(moment, outcome),
      world: outcome.world,
      calls: moment.calls.filter((other) => other !== call),
      ghosts: outcome.ghost ? [...moment.ghosts, { step, attempt }] : moment.ghosts,
    }
  }
  return driver.advance(moment, said)
}

function verdicts(driver: Driver, moment: Moment, call: Call): Move[] {
  const { step } = call
  const name = nameOf(moment, step)
  const effect = moment.world[step]?.effect === true
  const answered = (how: string, answer: VerifyAnswer, world: World, fault: boolean): Move => ({
    name: `${name} is verified, ${how}`,
    make: () => {
      const calls = moment.calls.filter((other) => other !== call)
      const next = { ...moment, calls, world }
      return driver.advance(
        fault ? spend(next, 'faults') : next,
        driver.core.settleVerify(moment.state, step, answer),
      )
    },
  })
  const never = change(moment.world, step, { refuses: true, unsure: false })
  return [
    effect
      ? answered('committed', { is: 'committed', output: name }, moment.world, false)
      : answered('never', { is: 'never' }, never, false),
    ...(moment.left.faults > 0 ? [answered('unknown', { is: 'unknown' }, moment.world, true)] : []),
  ]
}

// What comes of itself

function passing(driver: Driver, moment: Moment): Move[] {
  const { state, now, wakeAt } = moment
  const { deadline } = state
  const moves: Move[] = []
  if (wakeAt !== Number.POSITIVE_INFINITY && wakeAt !== deadline) {
    moves.push({ name: 'time passes', make: () => driver.advance({ ...moment, now: Math.max(now, wakeAt) }) })
  }
  if (deadline !== undefined && now < deadline && !state.wayBack) {
    moves.push({ name: 'the deadline passes', make: () => driver.advance({ ...moment, now: deadline }) })
  }
  return moves
}

/** A commit that had been given up takes effect, and somebody hears of it. */
function landings(driver: Driver, moment: Moment): Move[] {
  return moment.ghosts.flatMap((ghost): Move[] => {
    const { step, attempt } = ghost
    const name = nameOf(moment, step)
    if (moment.world[step]?.refuses) return []
    const heard = (world: World): Moment => {
      const landed = { ...moment, world: land(world, step), ghosts: moment.ghosts.filter((g) => g !== ghost) }
      // Where the step stands by another attempt there is nothing to say.
      const stands = moment.state.steps[step]?.commit.is === 'committed' && !moment.state.wayBack
      return stands ? landed : driver.tell(landed, [{ type: 'late', step: name, attempt, output: name }])
    }
    const rollback = moment.calls.find((call) => call.kind === 'rollback' && call.step === step)
    const moves: Move[] = [{ name: `${name} ${attempt} lands late`, make: () => heard(moment.world) }]
    if (rollback) {
      const make = () => heard(undo(moment.world, step, rollback.round))
      moves.push({ name: `${name} ${attempt} lands late, after its rollback was carried out`, make })
    }
    return moves
  })
}

// Crashes

function crashes(driver: Driver, moment: Moment): Move[] {
  const { left } = moment
  const moves: Move[] = []
  const dead = (what: keyof Budget, effects: Effects): Moment => ({
    ...spend(moment, what),
    world: effects.world,
  })
  for (const effects of left.kills + left.closes > 0 ? effectsOf(moment) : []) {
    if (left.kills > 0)
      moves.push({
        name: `killed${effects.name}`,
        make: () => driver.recover({ ...dead('kills', effects), ghosts: [] }),
      })
    if (left.closes > 0)
      moves.push({
        name: `closed${effects.name}`,
        make: () => {
          const closing = { ...dead('closes', effects), calls: [], ghosts: [] }
          const said = driver.core.release(moment.state, moment.now)
          return driver.recover(driver.write(closing, said, 'owner'))
        },
      })
  }
  if (left.freezes > 0 && !moment.unseen) moves.push({ name: 'frozen', make: () => frozen(driver, moment) })
  return moves
}

/** Another takes over while the owner stands still; what it is calling may land later, and it will hear of that. */
function frozen(driver: Driver, moment: Moment): Moment {
  const commits = moment.calls.filter(({ kind }) => kind === 'commit')
  const world = commits.reduce((before, { step }) => change(before, step, { unsure: true }), moment.world)
  const ghosts = [...moment.ghosts, ...commits.map(({ step, attempt }) => ({ step, attempt }))]
  return driver.recover({ ...spend(moment, 'freezes'), world, ghosts })
}

interface Effects {
  readonly name: string
  readonly world: World
}

/** Which of the calls under way had taken effect when the process died. */
function effectsOf(moment: Moment): Effects[] {
  let all: Effects[] = [{ name: '', world: moment.world }]
  for (const { kind, step, round } of moment.calls) {
    if (kind === 'verify') continue
    const name = `${kind} of ${nameOf(moment, step)}`
    all = all.flatMap((before): Effects[] => {
      const open = kind === 'commit' ? change(before.world, step, { unsure: true }) : before.world
      const done = kind === 'commit' ? land(open, step) : undo(open, step, round)
      return [
        { name: before.name, world: open },
        { name: `${before.name}, after the ${name}`, world: done },
      ]
    })
  }
  return all
}

// What people ask for

function wishes(driver: Driver, rules: Rules, moment: Moment): Move[] {
  const { state, left } = moment
  const moves: Move[] = []
  const wish = (name: string, what: keyof Budget, answer: Answer, world = moment.world): void => {
    if ('refused' in answer || answer.entries.length === 0) return
    moves.push({ name, make: () => driver.tell({ ...spend(moment, what), world }, answer.entries) })
  }
  if (left.cancels > 0) {
    const answer = cancel(state, 'no longer wanted', 'ann')
    judgeCancel(moment, answer)
    wish('cancelled', 'cancels', answer)
  }
  if (left.retries > 0 && Number.isFinite(moment.wakeAt)) wish('retried', 'retries', retryNow(state, 'ann'))
  if (left.resolves > 0) {
    moment.plan.steps.forEach(({ name }, index) => {
      const by = { reason: 'looked it up', actor: 'ann' }
      const standing = change(moment.world, index, { effect: true, unsure: true })
      const undone = change(moment.world, index, { effect: false, unsure: false })
      wish(
        `${name} resolved as committed`,
        'resolves',
        resolve(state, name, { as: 'committed', ...by }),
        standing,
      )
      wish(
        `${name} resolved as rolled_back`,
        'resolves',
        resolve(state, name, { as: 'rolled_back', ...by }),
        undone,
      )
    })
  }
  if (left.rebinds > 0 && rules.next) moves.push(...rebindings(driver, rules.next, moment))
  return moves
}

function judgeCancel({ state, chunks }: Moment, answer: Answer): void {
  const refused = 'refused' in answer ? answer.refused : undefined
  const expected = isOver(state) ? 'ENDED' : state.pastPivot ? 'PAST_PIVOT' : undefined
  if (refused !== expected) throw new Violation(`cancel is answered ${refused}, not ${expected}`, chunks)
}

function rebindings(driver: Driver, next: Plan, moment: Moment): Move[] {
  const answer = rebind(moment.state, next.version, next.shape, 'ann')
  if ('refused' in answer) return []
  const world = next.steps.map((_, index) => moment.world[index] ?? service())
  const make = (): Moment => {
    const told = driver.tell({ ...spend(moment, 'rebinds'), world }, answer.entries)
    const base = told.base && driver.replay(next, told.chunks.slice(0, -1))
    return { ...told, plan: next, base, state: driver.replay(next, told.chunks) }
  }
  return [{ name: `rebound to version ${next.version}`, make }]
}
