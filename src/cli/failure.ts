/**
 * What a failure looks like on a command line, and which exit code it has.
 *
 * Invariants
 * - 0: done. 1: it failed, was refused, or is not there. 2: wrong usage, found before anything was done. 130, 143: a signal.
 * - A BackstepError is a message and a hint; anything else is a bug, and shows its stack.
 */
import { CommanderError } from 'commander'
import { BackstepError } from '../index.js'
import { commandLine, jsonLine, safe, Terminal } from './terminal.js'

/** A command line that cannot be meant. Exit code 2. */
export class UsageError extends BackstepError {
  constructor(message: string, hint: string) {
    super(message, { code: 'USAGE', hint })
  }
}

/** There is no such store. Exit code 1. */
export class NoStoreError extends BackstepError {
  constructor(message: string, hint: string) {
    super(message, { code: 'STORE_NOT_FOUND', hint })
  }
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
export type Signal = keyof typeof exitCodes

/** A signal ended the command. */
export class Interrupted extends Error {
  readonly signal: Signal
  readonly exitCode: number
  /** The store could not be closed in time: its thread waits for a lock. */
  readonly isHung: boolean

  constructor(signal: Signal, isHung: boolean) {
    super(`interrupted by ${signal}`)
    this.signal = signal
    this.exitCode = exitCodes[signal]
    this.isHung = isHung
  }
}

/** Hints of the library name its methods; here they name the commands. */
const hintsHere: Readonly<Record<string, (id: string) => string>> = {
  NOT_FOUND: () => 'look for it with `backstep list`; a pruned saga is gone',
  ENDED: (id) => `see how it went with \`${commandLine('journal', [id])}\``,
  PAST_PIVOT: () => 'wait for it, or settle the step that fails with `backstep resolve`',
  NEEDS_TOKENS: () =>
    'say who may call, with --token-file or BACKSTEP_TOKENS; or stay at 127.0.0.1 behind a proxy that asks who calls',
  NOT_RESOLVABLE: (id) => `see its steps with \`${commandLine('show', [id])}\``,
}

export interface Told {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly sagaId?: string
  readonly step?: string
}

/** The parts of an error, as --json shows them. */
export function tell(error: unknown): Told {
  if (error instanceof CommanderError) return tellUsage(error)
  if (!(error instanceof BackstepError)) {
    return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : String(error) }
  }
  const { code, sagaId, step } = error
  const tail = `\n  hint: ${error.hint}`
  const message = error.message.endsWith(tail) ? error.message.slice(0, -tail.length) : error.message
  const hint = isBadAddress(error)
    ? 'write it as sqlite:path/to/file.db or postgres://user@host/database'
    : (hintsHere[code]?.(sagaId ?? '') ?? error.hint)
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(sagaId === undefined ? {} : { sagaId }),
    ...(step === undefined ? {} : { step }),
  }
}

function tellUsage({ message }: CommanderError): Told {
  if (message === '(outputHelp)') return { code: 'USAGE', message: 'no command', hint: 'see backstep --help' }
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const hint = rest.join(' ').replace(/^\(|\)$/g, '')
  return { code: 'USAGE', message: first, hint: hint === '' ? 'see --help' : hint }
}

/** The address itself makes no sense; with a cause it does, but cannot be opened. */
const isBadAddress = ({ code, cause }: BackstepError): boolean =>
  code === 'STORE_ADDRESS' && cause === undefined

/** `BAD_INPUT` with a saga's id is about that saga: refused, not misspelt. */
const isUsage = (error: BackstepError): boolean =>
  error.code === 'USAGE' ||
  error.code === 'NEEDS_TOKENS' ||
  isBadAddress(error) ||
  (error.code === 'BAD_INPUT' && error.sagaId === undefined)

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Interrupted) return error.exitCode
  return error instanceof BackstepError && isUsage(error) ? 2 : 1
}

/** Prints it, where that has not been done, and returns the exit code. */
export function report(error: unknown, json: boolean): number {
  const code = exitCodeOf(error)
  if (code === 0) return 0
  if (error instanceof Interrupted) Terminal.fail(error.message)
  // Commander has said it already.
  else if (!(error instanceof CommanderError)) Terminal.fail(textOf(error))
  if (json) process.stdout.write(`${jsonLine({ error: tell(error) })}\n`)
  return code
}

function textOf(error: unknown): string {
  if (!(error instanceof BackstepError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return stack.split('\n').map(safe).join('\n')
  }
  const { message, hint } = tell(error)
  return hint === undefined ? safe(message) : `${safe(message)}\n  hint: ${safe(hint)}`
}
