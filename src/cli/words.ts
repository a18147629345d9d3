/**
 * How sagas, steps and times read.
 */
import type { SagaSummary, SagaView, StepView } from '../index.js'
import { errorLine, formatDuration } from '../runtime/why.js'
import { type Paint, safe } from './terminal.js'

export const definitionOf = ({ name, version }: Pick<SagaSummary, 'name' | 'version'>): string =>
  safe(`${name}@${version}`)

/** `3m 12s ago`; times ahead of this machine's clock are `just now`. */
export const ago = (at: number, now: number): string =>
  now - at < 1 ? 'just now' : `${formatDuration(now - at)} ago`

/** `2026-11-22 21:40:03`, in local time. */
export function dateTime(at: number): string {
  const date = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[two(date.getHours()), two(date.getMinutes()), two(date.getSeconds())].join(':')}`
}

const painters: Readonly<Record<SagaSummary['status'], keyof Paint & ('green' | 'yellow' | 'cyan' | 'dim')>> =
  {
    queued: 'dim',
    running: 'cyan',
    rolling_back: 'yellow',
    committed: 'green',
    rolled_back: 'yellow',
  }

/** The status with its flags: `rolling_back, stuck`. */
export function statusOf(saga: SagaSummary, paint: Paint): string {
  const flags = (['stuck', 'blocked', 'late'] as const).filter((flag) => saga[flag])
  const status = paint[painters[saga.status]](saga.status)
  return [status, ...flags.map((flag) => (flag === 'late' ? paint.yellow(flag) : paint.red(flag)))].join(', ')
}

const reasons: Readonly<Record<NonNullable<SagaView['wayBack']>['reason'], string>> = {
  rejected: 'was rejected',
  in_doubt: 'is in doubt',
  timeout: 'timed out',
  crash_loop: 'was open at three crashes',
  cancelled: 'cancelled',
  deadline: 'its deadline passed',
}

/** Why a saga turned back. `error`: of the commit that caused it. */
export function turnedBack(
  { reason, step, message, actor }: NonNullable<SagaView['wayBack']>,
  error: StepView['error'],
): string {
  const what = step === undefined ? reasons[reason] : `${step} ${reasons[reason]}`
  const said = message ?? (error && errorLine(error))
  const who = actor === undefined ? '' : ` by ${actor}`
  return safe(`${what}${who}${said === undefined ? '' : `: ${said}`}`)
}

/** What the words on a step depend on, beside the step. */
export interface Around {
  readonly saga: SagaView
  /** A live process has the saga. */
  readonly isRun: boolean
  /** A person has settled this step. */
  readonly byHand: boolean
}

const onAttempt = (attempts: number): string => (attempts > 1 ? ` on attempt ${attempts}` : '')

/** An attempt that is open in the journal runs only where its process lives. */
const runs = (direction: string, attempts: number, isRun: boolean): string =>
  `${direction} ${isRun ? 'runs' : 'was cut off'}, attempt ${attempts}`

function commitWords(step: StepView, { isRun, byHand, saga }: Around, paint: Paint): string {
  const { commit, commitAttempts: attempts } = step
  switch (commit) {
    case 'idle':
      return paint.dim('not begun')
    case 'skipped':
      return paint.dim('skipped')
    case 'open':
      return paint.cyan(runs('commit', attempts, isRun))
    case 'waiting':
      if (step.pending) return paint.cyan('still going on')
      return paint.yellow(`commit failed on attempt ${attempts}`)
    case 'committed':
      return paint.green(`committed${byHand && saga.wayBack === null ? ' by hand' : onAttempt(attempts)}`)
    case 'failed':
      return paint.red(`${step.inDoubt ? 'in doubt' : 'rejected'}${onAttempt(attempts)}`)
  }
}

function rollbackWords(step: StepView, { isRun, byHand, saga }: Around, paint: Paint): string {
  const { rollback, rollbackAttempts: attempts, round } = step
  const again = round > 1 ? `, round ${round}` : ''
  switch (rollback) {
    case 'idle': {
      const stands = step.commit === 'committed' || step.inDoubt
      if (!stands || saga.wayBack === null) return ''
      return saga.status === 'rolled_back' ? paint.dim('nothing to roll back') : `to be rolled back${again}`
    }
    case 'open':
      return paint.cyan(`${runs('rollback', attempts, isRun)}${again}`)
    case 'waiting':
      return paint.red(`rollback failed on attempt ${attempts}${again}`)
    case 'done':
      return paint.yellow(`rolled back${byHand ? ' by hand' : onAttempt(attempts)}${again}`)
  }
}

/** What has become of a step, in a few words. */
export function stepWords(step: StepView, around: Around, paint: Paint): string {
  const flags = [step.pivot && paint.dim('pivot'), step.stuck && paint.red('stuck')]
  return [commitWords(step, around, paint), rollbackWords(step, around, paint), ...flags]
    .filter(Boolean)
    .join(' · ')
}
