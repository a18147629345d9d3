/**
 * The program: all commands, and what they have in common.
 *
 * Invariants
 * - Options before the command's name mean the same as behind it; behind it wins.
 * - Wrong usage is told by commander, with the nearest right word, and ends with exit code 2.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { registerSimulate } from '../simulation/flags.js'
import { examplesText, jsonOption, storeOption } from './command.js'
import { registerDoctor } from './doctor.js'
import { registerJournal } from './journal.js'
import { registerList } from './list.js'
import { registerMigrate } from './migrate.js'
import { registerOperations } from './operate.js'
import { registerServe } from './serve.js'
import { registerShow } from './show.js'
import { ThrowawayPostgres } from './throwaway-postgres.js'

const about =
  'Looks at sagas and steps in, beside the processes that run them. Only serve and simulate run sagas ' +
  'themselves, and looking never makes a store.'

const exitCodes = `Exit codes:
  0    done
  1    it failed, was refused, or is not there; doctor: something is wrong
  2    wrong usage, found before anything was done
  130  ended by SIGINT; 143: by SIGTERM

With --json stdout is JSON, one object a line: list and journal print a line
for each element, all others one line; a failure prints {"error": {"code",
"message", "hint"}}. All talk goes to stderr. NO_COLOR is respected.`

const examples = [
  ['backstep simulate', 'see it work: trips at failing services'],
  ['backstep list --stuck', 'what needs a person'],
  ['backstep show order-7', 'where one saga is, and why it waits'],
  ['backstep doctor --store sqlite:trips.db', 'is all well?'],
] as const

export function makeProgram(): Command {
  const program = new Command('backstep')
    .description(about)
    .version(versionHere(), '-V, --version', 'print the version')
    .addOption(storeOption())
    .addOption(jsonOption())
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ subcommandTerm })
    .addHelpText('after', `\n${exitCodes}\n\n${examplesText(examples)}`)
    .hook('preAction', (_, action) => handDown(program, action))
  registerSimulate(program, () => ThrowawayPostgres.start())
  helpOfSimulate(program)
  registerServe(program)
  registerList(program)
  registerShow(program)
  registerJournal(program)
  registerOperations(program)
  registerDoctor(program)
  registerMigrate(program)
  return program
}

/** In the list of commands; that each has options is said once. */
const subcommandTerm = (command: Command): string =>
  [command.name(), ...command.registeredArguments.map((argument) => `<${argument.name()}>`)].join(' ')

/** What stood before the command's name goes to the command, unless it has its own. */
function handDown(program: Command, action: Command): void {
  for (const [name, value] of Object.entries(program.opts())) {
    if (action !== program && action.getOptionValue(name) === undefined) {
      action.setOptionValueWithSource(name, value, 'cli')
    }
  }
}

function helpOfSimulate(program: Command): void {
  const simulate = program.commands.find((command) => command.name() === 'simulate')
  const lines = [
    ['backstep simulate', '1,000 trips, one after the other'],
    ['backstep simulate --sagas 2000 --kill 20', 'its process is killed 20 times'],
    ['backstep simulate --store postgres: --workers 4 --kill 20', 'a fleet on a PostgreSQL of its own'],
    ['backstep simulate --failure-rate 0.3 --concurrency 64 --seed 7', 'worse services, reproducible'],
  ] as const
  const more = 'It runs sagas itself, and ignores BACKSTEP_STORE: no trip is booked there.'
  simulate?.summary('book trips at failing services, and audit them')
  simulate?.addHelpText('after', `\n${more}\n\n${examplesText(lines)}`)
}

function versionHere(): string {
  const manifest = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}
