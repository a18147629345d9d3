/**
 * The lint of one step, reduced to its plan and its functions.
 *
 * Invariants
 * - Behind the pivot there is no way back: a step there is tried until it commits, and needs no rollback.
 * - Whether the pivot has committed is never a matter of chance: it has no `when` and no siblings.
 */
import {
  type Backoff,
  type CommitRetry,
  defaultBackoff,
  defaultRetry,
  defaultTimeout,
  type StepPlan,
  type ThrowsPolicy,
} from '../core/plan.js'
import type { StepFunctions } from './definition.js'
import {
  article,
  checkCount,
  checkDuration,
  checkFunction,
  checkOptions,
  checkThrows,
  isName,
  nameProblem,
  type Options,
  type Place,
  refuse,
} from './lint.js'
import { none, reasonOfNone } from './step.js'

export interface LintedStep {
  readonly plan: StepPlan
  readonly functions: StepFunctions
}

/** Where the step stands, as far as its lint depends on it. */
export interface Standing {
  readonly saga: string
  readonly position: number
  /** In a list a step may carry its name; in a parallel group it can be no pivot. */
  readonly as: 'step' | 'item' | 'member'
  readonly pastPivot: boolean
  readonly throws: ThrowsPolicy
}

const stepOptions = [
  'commit',
  'rollback',
  'timeout',
  'retry',
  'rollbackRetry',
  'verify',
  'when',
  'pivot',
  'throws',
]
const backoffOptions = ['min', 'max', 'factor']

type UserFunction = (context: never) => unknown

export function lintStep(name: unknown, given: unknown, standing: Standing): LintedStep {
  const place: Place = { saga: standing.saga, step: typeof name === 'string' ? name : article(name) }
  if (!isName(name)) return refuse(place, ...nameProblem(name))
  const known = standing.as === 'item' ? ['name', ...stepOptions] : stepOptions
  const options = checkOptions(given, 'the options of a step', known, place)
  const functions = checkFunctions(options, standing, place)
  return {
    functions,
    plan: {
      name,
      position: standing.position,
      timeout:
        options['timeout'] === undefined
          ? defaultTimeout
          : checkDuration(options['timeout'], 'timeout', place),
      pivot: checkPivot(options, standing, place),
      hasRollback: functions.rollback !== undefined,
      hasVerify: functions.verify !== undefined,
      conditional: functions.when !== undefined,
      throws: checkThrows(options['throws'], standing.throws, place),
      retry: checkRetry(options['retry'], standing, place),
      rollbackRetry: checkRollbackRetry(options['rollbackRetry'] ?? {}, place),
    },
  }
}

function checkFunctions(options: Options, standing: Standing, place: Place): StepFunctions {
  const commit = checkFunction<UserFunction>(options, 'commit', place)
  if (commit === undefined) return refuse(place, 'it has no commit', 'write commit: async (context) => …')
  const rollback = checkRollback(options, standing, place)
  const verify = checkFunction<UserFunction>(options, 'verify', place)
  const when = checkFunction<UserFunction>(options, 'when', place)
  return {
    commit,
    ...(rollback === undefined ? {} : { rollback }),
    ...(verify === undefined ? {} : { verify }),
    ...(when === undefined ? {} : { when }),
  }
}

function checkRollback(options: Options, standing: Standing, place: Place): UserFunction | undefined {
  const rollback = options['rollback']
  if (rollback === undefined && !standing.pastPivot) {
    return refuse(
      place,
      'it has no rollback',
      "write rollback: async (context) => …, or rollback: none('why there is nothing to undo')",
    )
  }
  // A function like any other, it would be taken for a rollback that does nothing.
  if (rollback === none) {
    return refuse(place, 'rollback is none itself', "call it, with the reason: rollback: none('read only')")
  }
  const reason = reasonOfNone(rollback)
  if (reason === undefined) return checkFunction(options, 'rollback', place)
  if (typeof reason === 'string' && reason.trim() !== '') return undefined
  return refuse(
    place,
    'none() gives no reason',
    "say why there is nothing to undo, such as none('read only')",
  )
}

function checkPivot(options: Options, standing: Standing, place: Place): boolean {
  const pivot = options['pivot'] ?? false
  if (typeof pivot !== 'boolean') return refuse(place, `pivot is ${article(pivot)}`, 'write pivot: true')
  if (!pivot) return false
  if (standing.pastPivot) {
    return refuse(
      place,
      'it is a second pivot',
      'a saga has one point of no return: keep the first, behind it steps are tried until they succeed',
    )
  }
  if (standing.as === 'member') {
    return refuse(
      place,
      'a pivot cannot be in a parallel group',
      'give it a .step of its own, before or after the group',
    )
  }
  if (options['when'] !== undefined) {
    return refuse(
      place,
      'a pivot cannot have a when',
      'whether there is a way back must not depend on it: move the condition to another step',
    )
  }
  return true
}

function checkRetry(given: unknown, standing: Standing, place: Place): CommitRetry {
  const fallback = standing.pastPivot ? Number.POSITIVE_INFINITY : defaultRetry.attempts
  const backoff = checkBackoff(given ?? {}, 'retry', ['attempts', ...backoffOptions], place)
  const attempts = (given as Options | undefined)?.['attempts']
  if (attempts === undefined) return { attempts: fallback, ...backoff }
  const count = checkCount(attempts, 'retry.attempts', place)
  if (standing.pastPivot && count !== Number.POSITIVE_INFINITY) {
    return refuse(
      place,
      `retry.attempts is ${count} behind the pivot`,
      'there is no way back from here: leave attempts out, it is tried until it succeeds',
    )
  }
  return { attempts: count, ...backoff }
}

function checkRollbackRetry(given: unknown, place: Place): Backoff {
  if (typeof given === 'object' && given !== null && 'attempts' in given) {
    return refuse(
      place,
      "the options 'rollbackRetry' have no 'attempts'",
      'a rollback is tried until it succeeds: leave attempts out',
    )
  }
  return checkBackoff(given, 'rollbackRetry', backoffOptions, place)
}

/** A bound that is not given makes room for the one that is: `{ min: '5m' }` alone is no contradiction. */
function checkBackoff(given: unknown, what: string, known: readonly string[], place: Place): Backoff {
  const options = checkOptions(given, `the options '${what}'`, known, place)
  const least = bound(options, what, 'min', place)
  const most = bound(options, what, 'max', place)
  const min = least ?? Math.min(defaultBackoff.min, most ?? defaultBackoff.min)
  const max = most ?? Math.max(defaultBackoff.max, min)
  if (min > max) {
    return refuse(place, `${what}.min (${min} ms) is longer than ${what}.max (${max} ms)`, 'swap them')
  }
  const factor = options['factor'] ?? defaultBackoff.factor
  if (typeof factor === 'number' && factor >= 1 && Number.isFinite(factor)) return { min, max, factor }
  return refuse(
    place,
    `${what}.factor is ${article(factor)}`,
    'write a number from 1 (every wait is min to max) up, such as 2',
  )
}

function bound(options: Options, what: string, key: 'min' | 'max', place: Place): number | undefined {
  return options[key] === undefined ? undefined : checkDuration(options[key], `${what}.${key}`, place)
}
