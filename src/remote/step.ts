/**
 * `remote({ … })`: a step whose commit and rollback are HTTP requests.
 *
 * Invariants
 * - All that can be checked is checked when the step is made: placeholders, methods, headers, and that the address may be gone to.
 * - A rollback needs no output that may be absent: after a lost answer it could never be sent. A commit whose rollback lacks anything
 *   else is not begun; an answer that does not fit into its rollback is left out there.
 * - What a call came to is decided by the table of outcome.ts alone, and said by `Rejected`, `InDoubt` and `pending()`.
 */
import type { Duration } from '../core/duration.js'
import { duration } from '../core/duration.js'
import type { Json } from '../core/entry.js'
import { defaultTimeout } from '../core/plan.js'
import type { CommitContext, RollbackContext, VerifyContext, WhenContext } from '../definition/context.js'
import type { NoRollback, Pending, StepOptions, Verdict } from '../definition/index.js'
import { type BackoffOptions, type RetryOptions, reasonOfNone } from '../definition/step.js'
import { committing, rollingBack, verifying } from './calls.js'
import { type Compiled, compileRequest } from './compile.js'
import { checkFields, Flaw, orDefinitionError, type Path } from './flaw.js'
import { type CommitWord, commitWords, type Outcomes, type RollbackWord, rollbackWords } from './outcome.js'
import { AllowList } from './policy.js'
import { defaultSetting, type Setting } from './setting.js'
import { type Root, Template } from './template.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What is sent: templates such as `'/flights/{input.to}'`, or functions of what the call receives. */
export interface RemoteRequest<Context> {
  /** Default `POST`, for `verify` `GET`. */
  readonly method?: Method
  /** Scheme, host and port are written out; values that are put in are percent-encoded. */
  readonly url: string | ((context: Context) => string)
  /** Beside those of Backstep, such as `{ authorization: 'Bearer …' }`. One whose only placeholder is absent is left out. */
  readonly headers?: Readonly<Record<string, string | ((context: Context) => string | undefined)>>
  /** JSON, whose strings are templates. Default: for a commit the saga's input, else nothing. */
  readonly body?: Json | ((context: Context) => unknown)
}

export interface RemoteCommit<Context> extends RemoteRequest<Context> {
  /** What this participant means by a status, or a class of them, where it is not what the table says: `{ 404: 'in_doubt' }`. */
  readonly outcomes?: Outcomes<CommitWord>
}

export interface RemoteRollback<Context> extends RemoteRequest<Context> {
  /** As for the commit: `{ 404: 'done' }` where a participant answers so when there is nothing to undo. */
  readonly outcomes?: Outcomes<RollbackWord>
}

export interface RemoteOptions<Output = unknown, Input = unknown, Outputs = unknown> {
  readonly commit: RemoteCommit<CommitContext<Input, Outputs>>
  readonly rollback: RemoteRollback<RollbackContext<Input, Outputs, Output>> | NoRollback
  /** Asks about a commit in doubt: 2xx with its output, 410 for `'never'`, all else for `'unknown'`. */
  readonly verify?: RemoteRequest<VerifyContext<Input, Outputs>>
  /** Bounds each call, from the name's resolution to the last byte of the answer. Default 30 s. */
  readonly timeout?: Duration
  readonly retry?: RetryOptions
  readonly rollbackRetry?: BackoffOptions
  /** The only origins that it may go to: `['https://flights.example', 'http://127.0.0.1:*']`. Private ranges need one. */
  readonly allow?: readonly string[]
}

/** `when` and `pivot`, which the types of `.step` follow. */
interface Extra<Input, Outputs, When extends boolean, Pivot extends boolean> {
  readonly when?: (context: WhenContext<Input, Outputs>) => When
  readonly pivot?: Pivot
}

/** The options of a step as `.step` takes them. */
export type Options = Readonly<Record<string, unknown>>

export const requestFields = ['method', 'url', 'headers', 'body']
const stepFields = [
  'commit',
  'rollback',
  'verify',
  'timeout',
  'retry',
  'rollbackRetry',
  'allow',
  'when',
  'pivot',
]

const roots: readonly Root[] = [
  'input',
  'outputs',
  'idempotencyKey',
  'commitKey',
  'sagaId',
  'step',
  'attempt',
  'token',
]
const rollbackRoots: readonly Root[] = [...roots, 'output']

/**
 * The options of a step whose commit and rollback are HTTP requests. Each carries `Idempotency-Key`, `traceparent` and what the barrier
 * needs; what an answer means is in docs/definition-file.md.
 *
 * @example
 * saga<Trip>('book-trip').step('flight', remote({
 *   commit: { url: 'https://flights.example/bookings', body: { to: '{input.to}' } },
 *   rollback: { method: 'DELETE', url: 'https://flights.example/bookings/{output.id ?? commitKey}' },
 *   timeout: '5s',
 * }))
 * @throws DefinitionError (`BAD_DEFINITION`) for an unknown placeholder or field, and for an address that may not be gone to
 */
export function remote<
  Output = unknown,
  Input = unknown,
  Outputs = unknown,
  When extends boolean = never,
  Pivot extends boolean = false,
>(
  options: RemoteOptions<Output, Input, Outputs> & Extra<Input, Outputs, When, Pivot>,
): StepOptions<Input, Outputs, Promise<Output | Pending>, When, Pivot> {
  return orDefinitionError('remote step', () =>
    remoteStep(options, { ...defaultSetting, allow: AllowList.parse(options?.allow, ['allow']) }, []),
  ) as unknown as StepOptions<Input, Outputs, Promise<Output | Pending>, When, Pivot>
}

/**
 * A step's options with what a call of it does; the types are the caller's business. `mayLackRollback`: the lint will see whether it
 * is behind the pivot. Throws Flaw.
 */
export function remoteStep(given: unknown, setting: Setting, path: Path, mayLackRollback = false): Options {
  const { commit, rollback, verify, timeout, allow: _, ...rest } = checkFields(given, stepFields, path)
  const ms =
    timeout === undefined
      ? defaultTimeout
      : duration(timeout, 'timeout', (message, hint) => {
          throw new Flaw([...path, 'timeout'], message, hint)
        })
  const call = { setting, connectTimeout: connectTimeoutOf(ms) }
  if (commit === undefined)
    throw new Flaw([...path, 'commit'], 'is missing', "write commit: { url: 'https://…' }")
  const request = compileRequest(commit, [...requestFields, 'outcomes'], roots, 'POST', setting, [
    ...path,
    'commit',
  ])
  const verification =
    verify === undefined
      ? undefined
      : compileRequest(verify, requestFields, roots, 'GET', setting, [...path, 'verify'])
  const isNone = reasonOfNone(rollback) !== undefined
  const undo =
    isNone || (rollback === undefined && mayLackRollback)
      ? undefined
      : compileRollback(rollback, setting, [...path, 'rollback'])
  return {
    ...rest,
    timeout: ms,
    commit: committing(request, outcomesOf(commit, commitWords, [...path, 'commit']), call, undo),
    ...(isNone ? { rollback } : {}),
    ...(undo
      ? { rollback: rollingBack(undo, outcomesOf(rollback, rollbackWords, [...path, 'rollback']), call) }
      : {}),
    ...(verification === undefined
      ? {}
      : { verify: verifying(verification, call) as () => Promise<Verdict<unknown>> }),
  }
}

function compileRollback(given: unknown, setting: Setting, path: Path): Compiled {
  if (given === undefined) {
    throw new Flaw(
      path,
      'is missing',
      "write rollback: { url: 'https://…' }, or rollback: none('why there is nothing to undo')",
    )
  }
  const request = compileRequest(given, [...requestFields, 'outcomes'], rollbackRoots, 'POST', setting, path)
  refuseFragile(request, path)
  refuseFragileText((given as { readonly body?: unknown }).body, [...path, 'body'])
  return request
}

function refuseFragile({ url, headers }: Compiled, path: Path): void {
  const [placeholder] = url.template?.dependingOn('output') ?? []
  if (placeholder !== undefined) {
    throw new Flaw(
      [...path, 'url'],
      `{${placeholder}} is absent where the commit is in doubt`,
      `write {${placeholder} ?? commitKey}, and let the participant look for either`,
    )
  }
  for (const [name, { template }] of headers) {
    const [fragile] = template?.dependingOn('output') ?? []
    if (fragile !== undefined)
      throw new Flaw(
        [...path, 'headers', name],
        `{${fragile}} is absent where the commit is in doubt`,
        `write {${fragile} ?? commitKey}`,
      )
  }
}

/** Of the texts in a body; one that is nothing but a placeholder is left out where that is absent. */
function refuseFragileText(body: unknown, path: Path): void {
  if (typeof body === 'object' && body !== null) {
    for (const [name, member] of Object.entries(body)) {
      refuseFragileText(member, [...path, Array.isArray(body) ? Number(name) : name])
    }
  }
  if (typeof body !== 'string') return
  const template = Template.parse(body, { roots: rollbackRoots }, path)
  const [fragile] = template.isPlaceholder ? [] : template.dependingOn('output')
  if (fragile !== undefined)
    throw new Flaw(
      path,
      `{${fragile}} is absent where the commit is in doubt`,
      `write {${fragile} ?? commitKey}, or that placeholder and nothing else, which is left out`,
    )
}

/** Less than the step's timeout: a connection that never stood was never sent, and says so in time. */
const connectTimeoutOf = (timeout: number): number => Math.max(1, Math.min(10_000, Math.round(timeout / 2)))

function outcomesOf<Word extends string>(given: unknown, words: readonly Word[], at: Path): Outcomes<Word> {
  const { outcomes = {} } = given as { outcomes?: unknown }
  const path = [...at, 'outcomes']
  if (typeof outcomes !== 'object' || outcomes === null)
    throw new Flaw(path, 'is no object', `write { 404: '${words[0]}' }`)
  for (const [status, word] of Object.entries(outcomes)) {
    if (!/^[1-5](\d\d|xx)$/.test(status))
      throw new Flaw(
        [...path, status],
        'is no status',
        "write a status such as 404, or a class such as '4xx'",
      )
    if (!words.includes(word as Word))
      throw new Flaw([...path, status], `'${String(word)}' is no outcome`, `known are ${words.join(', ')}`)
  }
  return outcomes as Outcomes<Word>
}
