/**
 * How a command is added to the program: its options, its help with examples, and what runs it.
 *
 * Invariant: every command has --store and --json, and takes both before or behind its name.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { atDesk, type Desk, defaultStore, interruptible, type Place, placeOf, type Shared } from './desk.js'
import { Terminal } from './terminal.js'

export interface Words {
  /** Name and arguments, such as `show <id>`. */
  readonly usage: string
  /** One line, in the list of commands. */
  readonly summary: string
  /** What else there is to know; shown by its own --help. */
  readonly more?: string
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[]
  /** What --json prints. */
  readonly json: string
}

export const storeOption = (): Option =>
  new Option('--store <address>', `where the sagas are (default: BACKSTEP_STORE, else ${defaultStore})`)
export const jsonOption = (): Option => new Option('--json', 'print JSON on stdout, and nothing else there')

export function addCommand(program: Command, words: Words): Command {
  const { usage, summary, more, examples, json } = words
  return program
    .command(usage)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.${more === undefined ? '' : `\n\n${more}`}`)
    .addOption(storeOption())
    .addOption(jsonOption())
    .showHelpAfterError(`(see backstep ${usage.split(' ')[0]} --help)`)
    .addHelpText('after', `\n--json prints\n${indented(json)}\n\n${examplesText(examples)}`)
}

const indented = (text: string): string => text.replace(/^/gm, '  ')

export function examplesText(examples: Words['examples']): string {
  const width = Math.max(...examples.map(([line]) => line.length))
  // Side by side where all of them fit 80 columns.
  const fit = examples.every(([, does]) => width + does.length < 75)
  const lines = examples.map(([line, does]) =>
    fit ? `  ${line.padEnd(width)}   ${does}` : `  # ${does}\n  ${line}`,
  )
  return `Examples:\n${lines.join('\n')}`
}

/** Arguments as commander hands them to an action: the command's own, its flags, itself. */
type Given = readonly unknown[]

function split<Flags>(given: Given): { ids: readonly string[]; flags: Flags & Shared } {
  return { ids: given.slice(0, -2) as string[], flags: given.at(-2) as Flags & Shared }
}

/** The action of a command that works somewhere; what `run` returns is the exit code. */
export function atPlace<Flags>(
  run: (place: Place, flags: Flags, ids: readonly string[]) => Promise<number>,
): (...given: Given) => Promise<void> {
  return async (...given) => {
    const { ids, flags } = split<Flags>(given)
    const terminal = new Terminal(flags.json === true)
    process.exitCode = await interruptible((signal) => run(placeOf(flags, terminal, signal), flags, ids))
  }
}

/** The action of a command that opens the store; it has done its work when it returns. */
export function withStore<Flags>(
  run: (desk: Desk, flags: Flags, ids: readonly string[]) => Promise<void>,
): (...given: Given) => Promise<void> {
  return atPlace<Flags>(async (place, flags, ids) => {
    await atDesk(place, (desk) => run(desk, flags, ids))
    return 0
  })
}

/** For options that are counts. */
export function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('Not a whole number above 0.')
}
