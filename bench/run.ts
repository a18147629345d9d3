/**
 * One case in this process: `node dist-bench/run.js sqlite-256 SECONDS ROUNDS SCALE DIR` prints its result as one line of JSON.
 *
 * A process for each case: no case inherits the heap, the compiled code or the garbage of another. It can be profiled as it is:
 * `node --cpu-prof dist-bench/run.js sqlite-256 1 10 1 /tmp`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cases } from './cases/index.js'

const [name = '', seconds = '0.5', rounds = '10', scale = '1', folder = '.'] = process.argv.slice(2)
const run = cases[name]
if (!run) throw new Error(`there is no case ${name}`)
const own = mkdtempSync(join(folder, 'bench-'))
try {
  const plan = { seconds: Number(seconds), rounds: Number(rounds) }
  const result = await run({ name, folder: own, plan, scale: Number(scale) })
  process.stdout.write(`${JSON.stringify(result)}\n`)
} finally {
  rmSync(own, { recursive: true, force: true })
}
