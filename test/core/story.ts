/**
 * One history, told move by move: `['+120 flight commits', 'cancelled', 'it looks', …]`.
 * A number ahead of a move is the time that passes before it, in ms.
 */
import type { Plan } from '#dist/core/plan.js'
import { type Budget, core, Driver, type Moment } from './driver.js'
import { formatJournal } from './format-entry.js'
import { movesOf, type Rules } from './moves.js'
import type { When } from './world.js'

/** Enough of everything: a story says itself what happens. */
const plenty: Budget = {
  faults: 1_000,
  kills: 1_000,
  freezes: 1_000,
  closes: 1_000,
  cancels: 1_000,
  retries: 1_000,
  resolves: 1_000,
  rebinds: 1,
}

export interface Setting extends Rules {
  readonly deadline?: number
  readonly whens?: readonly When[]
  /** It waits for its keys: nobody has looked at it yet. */
  readonly queued?: true
}

/** The moment to which the story leads. Throws if a move is impossible, and says which are not. */
export function tell(plan: Plan, story: readonly string[], setting: Setting = {}): Moment {
  const driver = new Driver(core, false)
  const submitted = driver.submit(plan, setting.deadline, setting.whens ?? [], plenty)
  const begun = setting.queued ? submitted : driver.advance(submitted)
  return story.reduce((moment, line) => follow(driver, setting, moment, line), begun)
}

function follow(driver: Driver, rules: Rules, before: Moment, line: string): Moment {
  const [, wait, name] = /^(?:\+(\d+) )?(.*)$/.exec(line) ?? []
  const moment = { ...before, now: before.now + Number(wait ?? 0) }
  const moves = movesOf(driver, rules, moment)
  const move = moves.find((one) => one.name === name)
  if (!move) throw new Error(`"${name}" cannot happen here, but:\n${moves.map((one) => one.name).join('\n')}`)
  return move.make()
}

/** The calls under way, as text: `rollback b 2 round 2`. */
export const callsOf = ({ calls, plan }: Moment): string[] =>
  calls.map(({ kind, step, attempt, round }) => {
    const name = `${kind} ${plan.steps[step]?.name} ${attempt}`
    return round > 1 ? `${name} round ${round}` : name
  })

export const journalOf = (moment: Moment): string => formatJournal(moment.chunks)

export const repeat = (times: number, ...story: string[]): string[] =>
  Array.from({ length: times }, () => story).flat()
