/**
 * `npm run bench [-- case … --json --seconds 0.5 --rounds 10 --quick --dir .]`: runs the cases one after the other, each
 * in a process of its own, and prints a table, or one JSON object a line. Figures go to stdout, talk to stderr.
 *
 * A bar that is missed is shown as missed; the exit code only says whether everything ran.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { cases } from './cases/index.js'
import type { Result } from './result.js'
import { header, lines } from './table.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const above0 = (text: string): string => {
  if (Number(text) > 0) return text
  throw new InvalidArgumentError('It is no number above 0.')
}
const command = new Command('npm run bench --')
  .description(
    'Runs the cases one after the other, each in a process of its own, against a limit measured in the same run.',
  )
  .argument('[case...]', 'a case, or the first word of several; without any, all of them')
  .option('--json', 'one JSON object a line', false)
  .option('--seconds <n>', 'how long one slice takes', above0, '0.5')
  .option('--rounds <n>', 'slices of each case', above0, '10')
  .option('--quick', 'only to see that everything runs: the figures mean nothing', false)
  .option('--dir <folder>', 'a folder on the disk that is measured', here)
  .addHelpText('after', `\nCases: ${Object.keys(cases).join(', ')}`)
  .parse()
const positionals = command.args
const values = command.opts<{ json: boolean; seconds: string; rounds: string; quick: boolean; dir: string }>()

/** A name stands for itself, or for all cases that begin with it: `sqlite`, `postgres` (and who runs on that beside us). */
function named(name: string): string[] {
  const prefixes = name === 'postgres' ? ['postgres-', 'dbos-'] : [`${name}-`]
  if (name in cases) return [name]
  return Object.keys(cases).filter((other) => prefixes.some((prefix) => other.startsWith(prefix)))
}
const chosen = positionals.length > 0 ? positionals.flatMap(named) : Object.keys(cases)

const unknown = positionals.find((name) => named(name).length === 0)
if (unknown !== undefined) {
  process.stderr.write(`there is no case ${unknown}; the cases are: ${Object.keys(cases).join(', ')}\n`)
  process.exit(2)
}

async function run(name: string): Promise<Result> {
  const { seconds, rounds, quick, dir } = values
  const size = quick ? ['0.05', '2', '0.005'] : [seconds, rounds, '1']
  const child = spawn(process.execPath, [`${here}run.js`, name, ...size, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code !== 0) throw new Error(`${name} ended with ${String(signal ?? code)}`)
  return JSON.parse(output) as Result
}

const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(' ')

const [cpu] = cpus()
process.stderr.write(
  `Node ${process.version}, ${cpus().length} × ${cpu?.model ?? 'unknown'}, load ${load()}\n`,
)
if (!values.json) process.stdout.write(`${header()}\n`)
for (const name of chosen) {
  const result = await run(name)
  process.stdout.write(`${values.json ? JSON.stringify(result) : lines(result)}\n`)
}
process.stderr.write(`load ${load()}\n`)
