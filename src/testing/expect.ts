/**
 * `expectCommitted` and `expectRolledBack`: assertions on how a saga ended, for any test runner.
 *
 * Invariant: they throw AssertionErrors that carry the saga's journal and, as `cause`, the error that turned it back.
 */
import { AssertionError } from 'node:assert'
import type { Duration } from '../core/duration.js'
import type { Json, RollbackReason } from '../core/entry.js'
import type { SagaRolledBackError } from '../core/errors.js'
import type { SagaHandle } from '../runtime/handle.js'
import { checkNames } from '../runtime/options.js'
import { jsonLine } from '../runtime/text.js'
import { type Ended, endById, endOf, type Given, type Lookout, story } from './ended.js'

export interface ExpectOptions {
  /** How long to wait for the end, in real time, whatever the orchestrator's clock says. Default 4 s. */
  readonly within?: Duration
}

export interface RolledBackOptions extends ExpectOptions {
  /** Why it must have turned back. */
  readonly reason?: RollbackReason
  /** The step that must have turned it back. */
  readonly step?: string
}

/** What a test expects of a saga, and what came of it: undefined if it is as expected. */
export interface Verdict {
  readonly ended: Ended
  readonly complaint: string | undefined
  readonly expected: Readonly<Record<string, unknown>>
}

/**
 * The saga has committed. Waits for its end.
 *
 * @returns its outputs
 * @example const { payment } = await expectCommitted(await orchestrator.submit(bookTrip, input))
 * @example await expectCommitted(orchestrator, 'order-7')
 * @throws AssertionError, with the saga's journal, if it was rolled back or has not ended in time
 */
export function expectCommitted<Outputs>(given: Given<Outputs>, options?: ExpectOptions): Promise<Outputs>
export function expectCommitted<Outputs>(run: PromiseLike<Outputs>, options?: ExpectOptions): Promise<Outputs>
export function expectCommitted<Outputs = Readonly<Record<string, Json>>>(
  orchestrator: Lookout,
  saga: string | SagaHandle<Outputs>,
  options?: ExpectOptions,
): Promise<Outputs>
export async function expectCommitted(...given: unknown[]): Promise<unknown> {
  const { subject, options } = argumentsOf(given)
  const verdict = await judgeCommitted(subject, options)
  if (verdict.complaint !== undefined || verdict.ended.is !== 'committed') {
    throw failure(verdict, await messageOf(verdict), expectCommitted)
  }
  return verdict.ended.outputs
}

/**
 * The saga has been rolled back, for this reason and by this step, if any is named. Waits for its end.
 *
 * @returns its error; `cause` is what the commit threw, `rolledBack` the steps whose rollback ran, in order
 * @example await expectRolledBack(orchestrator.run(bookTrip, input), { step: 'payment' })
 * @example const { cause } = await expectRolledBack(orchestrator, 'order-7', { reason: 'timeout' })
 * @throws AssertionError, with the saga's journal, if it has committed, turned back for another reason, or not ended in time
 */
export function expectRolledBack(
  given: Given<unknown> | PromiseLike<unknown>,
  options?: RolledBackOptions,
): Promise<SagaRolledBackError>
export function expectRolledBack(
  orchestrator: Lookout,
  saga: string | SagaHandle<unknown>,
  options?: RolledBackOptions,
): Promise<SagaRolledBackError>
export async function expectRolledBack(...given: unknown[]): Promise<SagaRolledBackError> {
  const { subject, options } = argumentsOf(given)
  const verdict = await judgeRolledBack(subject, options)
  if (verdict.complaint !== undefined || verdict.ended.is !== 'rolled_back') {
    throw failure(verdict, await messageOf(verdict), expectRolledBack)
  }
  return verdict.ended.error
}

/** What there is to be judged: `given`, or a saga of `where`. */
export type Subject =
  | { readonly given: unknown }
  | { readonly where: Lookout; readonly saga: string | SagaHandle<unknown> }

function argumentsOf([first, second, third]: readonly unknown[]): { subject: Subject; options: unknown } {
  const isSaga =
    typeof second === 'string' || (typeof second === 'object' && second !== null && 'id' in second)
  if (!isSaga) return { subject: { given: first }, options: second }
  return { subject: { where: first as Lookout, saga: second as string }, options: third }
}

function reach(subject: Subject, within: Duration | undefined): Promise<Ended> {
  if ('given' in subject) return endOf(subject.given, within)
  const { where, saga } = subject
  return endById(where, typeof saga === 'string' ? saga : saga.id, within)
}

export async function judgeCommitted(subject: Subject, given: unknown): Promise<Verdict> {
  const { within }: ExpectOptions = given ?? {}
  if (given !== undefined) checkNames(given, ['within'], 'expectCommitted')
  const ended = await reach(subject, within)
  return {
    ended,
    complaint: ended.is === 'committed' ? undefined : `to be committed, and ${sentence(ended)}`,
    expected: { status: 'committed' },
  }
}

export async function judgeRolledBack(subject: Subject, given: unknown): Promise<Verdict> {
  const { within, reason, step }: RolledBackOptions = given ?? {}
  if (given !== undefined) checkNames(given, ['reason', 'step', 'within'], 'expectRolledBack')
  const ended = await reach(subject, within)
  const wanted = [step && ` by step ${step}`, reason && ` for the reason ${reason}`].filter(Boolean).join('')
  const isSo =
    ended.is === 'rolled_back' &&
    (reason === undefined || ended.error.reason === reason) &&
    (step === undefined || ended.error.step === step)
  return {
    ended,
    complaint: isSo ? undefined : `to be rolled back${wanted}, and ${sentence(ended)}`,
    expected: {
      status: 'rolled_back',
      ...(reason === undefined ? {} : { reason }),
      ...(step === undefined ? {} : { step }),
    },
  }
}

/** How it ended, as what comes behind an `and`. */
export function sentence(ended: Ended): string {
  switch (ended.is) {
    case 'committed':
      return `it has committed, with the outputs ${jsonLine(ended.outputs ?? null)}`
    case 'rolled_back': {
      const { error } = ended
      const who = error.rolledBack.length > 0 ? error.rolledBack.join(', ') : 'none'
      // The message names the saga; here that would be said twice.
      const said = error.message.replace(/^saga .*? was rolled back/, 'it was rolled back')
      return `${said} (reason ${error.reason}; steps rolled back: ${who})`
    }
    case 'unfinished':
      return `it has not ended within ${ended.waited} of real time`
    case 'missing':
      return 'there is none of this id (never submitted here, or pruned)'
  }
}

/** The whole message, with the journal where it can be had. */
export async function messageOf({ ended, complaint }: Verdict, not = ''): Promise<string> {
  const saga = ended.saga?.id ?? (ended.is === 'rolled_back' ? ended.error.sagaId : undefined)
  const told = await story(ended.saga)
  const missing = ended.saga?.looker ? '' : '  (submit the saga and pass its handle to see its journal)'
  return [
    `expected ${saga === undefined ? 'the saga' : `saga ${saga}`} ${complaint ?? `${not}, and ${sentence(ended)}`}`,
    told || missing,
  ]
    .filter(Boolean)
    .join('\n')
}

/** What a runner shows as the difference. */
export function actualOf(ended: Ended): Readonly<Record<string, unknown>> {
  if (ended.is !== 'rolled_back') return { status: ended.is }
  const { reason, step } = ended.error
  return { status: 'rolled_back', reason, ...(step === undefined ? {} : { step }) }
}

// biome-ignore lint/complexity/noBannedTypes: it is what AssertionError takes
function failure({ ended, expected }: Verdict, message: string, caller: Function): AssertionError {
  const actual = actualOf(ended)
  const error = new AssertionError({ message, actual, expected, operator: caller.name, stackStartFn: caller })
  return ended.is === 'rolled_back' ? Object.assign(error, { cause: ended.error }) : error
}
