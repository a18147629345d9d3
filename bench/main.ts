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
import { parseArgs } from 'node:util'
import { cases } from './cases/index.js'
import type { Result } from './result.js'
import { header, lines } from './table.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    /** Of one slice. */
    seconds: { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '10' },
    /** Only to see that everything runs: tiny slices and backlogs, whose figures mean nothing. */
    quick: { type: 'boolean', default: false },
    /** The disk that is measured. Not the folder for temporary files: that is often memory. */
    dir: { type: 'string', default: here },
  },
})

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
