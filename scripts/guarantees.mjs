/**
 * Writes docs/guarantees.md: each promise and each scenario, with the tests that hold it. `--check` only says whether the page is
 * what it would write.
 *
 * Invariants
 * - A test is listed because its name says which scenario it tests; nothing is listed by hand but what is measured by a command.
 * - A scenario without a test, and a test that names a scenario that is not here, are errors.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/guarantees.md')

/** What is done to Backstep, and what must hold afterwards. */
const scenarios = {
  1: 'A commit ignores its signal, is rolled back, and then succeeds → noticed, and rolled back again with a new key',
  2: 'Attempt 1 is in doubt, attempt 2 is rejected cleanly → the step is rolled back',
  3: 'A rollback throws 1,000 times, then works → stuck is raised, the journal stays small, it ends',
  4: 'Waits of 2^31, 2^53, NaN, -1, Infinity → the right time, or refused; never at once',
  5: 'Up to a million attempts → the backoff is finite, bounded and jittered',
  6: 'A commit settles after its timeout with a rejection → nothing happens twice, nothing is left',
  7: 'A commit never settles and names no timeout → there is one by default',
  8: 'A result that cannot be stored → in doubt, and rolled back, with the reason; alike on every store',
  9: 'Anything at all is thrown → recorded, bounded, alive',
  10: 'Synchronous throws, odd thenables, values that are no functions → failures of the step, or of the definition',
  '10a': 'A commit kills its process each time → three times, then it is rolled back; the others go on',
  '10b':
    'Two members of a parallel group, in every order of every outcome → the group settles, then all is rolled back',
  '10c': 'The pivot in doubt; cancel and deadline before, during and after it',
  11: 'No step, one, 10,000 → refused by name, or works, with writes that do not grow',
  12: 'Duplicate and odd step names → refused when the saga is defined',
  13: 'A cancel at every moment, twice, together with the last commit → exactly one end, and the answer says which',
  14: 'The deadline passes while queued, in a commit, in a rollback',
  15: 'A hundred submits of one id from two processes → one saga, equal answers; other input is a conflict',
  16: 'Odd ids → refused, or found again byte for byte',
  17: 'SIGKILL at every point of a saga that commits, and of one that rolls back',
  18: 'SIGKILL again during the recovery',
  19: 'A crash between effect and record, last commit and end, decision and first rollback',
  20: 'SIGTERM in place of SIGKILL → the same ends',
  21: 'A definition is gone, or its shape has changed under one version → blocked, nothing lost, goes on when it is back',
  22: 'Two processes that know different definitions → each runs its own',
  23: 'A damaged, cut or foreign file → a correct prefix, or a clear refusal',
  24: 'Power cuts: images of a disk with torn sectors → nothing acknowledged is lost, nothing is corrupt',
  25: 'The Nth operation on the files fails, for every N → what is acknowledged is what is stored',
  26: 'The disk is full, and freed → submits are refused, sagas wait, all go on',
  27: 'Two orchestrators and a command line on one file → no double record, no lock reaches a user',
  28: 'The owner is frozen past its lease, and wakes → its writes change nothing',
  29: 'The connection is cut after COMMIT, at every Nth message → no duplicate entry, no step run twice for it',
  30: 'Four processes, 10,000 sagas, one killed every second → each ends once; failover within two leases',
  31: 'PostgreSQL is restarted and crashed every few seconds → all sagas finish',
  32: 'Clocks an hour ahead and behind → only the clock of the database judges',
  33: 'The listening connection dies without a word → sagas are picked up all the same',
  34: 'The pool is exhausted by the user → heartbeats go on, a clear error',
  35: 'Serialization failures and deadlocks → repeated with a bound, no user code run twice for it',
  36: 'The server is read-only or recovering → waits, and tries again',
  37: 'A rolling restart of a quarter of the workers → work goes on in every two seconds',
  38: 'Serial sagas from three processes → no two overlap, in the order of their submits',
  39: 'Random sagas over 50 keys → sharers never overlap, others do, all end',
  40: 'A saga is stuck in its rollback → sharers wait visibly, the rest goes on',
  41: 'A million queued sagas → submit and claim within twice the time of an empty store',
  42: 'All are due at once after an outage → bounded concurrency, jitter, no starvation',
  43: 'An hour at half load under faults → memory, descriptors, WAL and timers stay flat',
  44: 'The server dies between storing a submit and answering it → the same Idempotency-Key finds the same saga',
  45: 'No token off loopback, a wrong one, an unknown Host, a foreign Origin → refused',
  46: 'Script in every field that a saga can carry → nothing runs on the page',
  47: 'Step addresses that point inwards, redirects, DNS that changes → refused, resolved once and pinned',
  48: 'Every odd answer of a participant → committed, rejected or in doubt, by a written table',
  49: '500 slow connections, a body of 1 GB → limits hold, others are answered',
  50: 'A secret in input, headers and address → in no log, page, answer or report',
  51: 'The engine is broken on purpose → the suite fails for each break',
}

/** Each promise of the README, the scenarios that attack it, and what else holds it. */
const promises = [
  ['P1', 'Nothing acknowledged is lost', [15, 17, 18, 19, 20, 23, 24, 25, 26, 27, 29, 31]],
  ['P2', 'It always ends', [3, 7, 13, 17, 18, 21, 30, 36, 37, 42]],
  ['P3', 'Order', ['10b', 17, 19, 38]],
  ['P4', 'Every step that may have taken effect is rolled back', [1, 2, 6, 8, '10b', 17, 19]],
  ['P5', 'Rollbacks are retried for ever', [3, 5, 18]],
  ['P6', 'One owner', [1, 17, 28, 29, 32, 33]],
  ['P7', 'Isolation', [38, 39, 40]],
  ['P8', 'A poison saga harms at most those that share its keys', [9, '10a', 21, 22, 40]],
  ['P9', 'Failure, cancel, deadline and crash take the same way back', ['10c', 13, 14, 20]],
]

/** `from` to `to`, and `,`: `scenarios 1 and 28`, `scenario 27, 38, 39`. */
const naming = /\bscenarios? (\d+[a-c]?(?:(?:, | and )\d+[a-c]?)*)/gi

/** Scenario → file → how many of its tests name it. */
const found = new Map(Object.keys(scenarios).map((number) => [number, new Map()]))
const errors = []

for (const file of readdirSync(join(root, 'test'), { recursive: true }).sort()) {
  if (!/\.(test|long)\.ts$/.test(file)) continue
  const text = readFileSync(join(root, 'test', file), 'utf8')
  // The name of a test, or the first comment of a file that is about one scenario alone.
  for (const [, numbers] of text.matchAll(naming)) {
    for (const number of numbers.split(/, | and /)) {
      const files = found.get(number)
      if (files) files.set(file, (files.get(file) ?? 0) + 1)
      else if (Number.parseInt(number, 10) <= 51)
        errors.push(`test/${file} names scenario ${number}, which there is not`)
    }
  }
}
for (const [number, files] of found) if (files.size === 0) errors.push(`scenario ${number} has no test`)

const link = (file) =>
  `[${file.replace(/\.(test|long)\.ts$/, '')}${file.endsWith('.long.ts') ? ' (long)' : ''}](../test/${file})`
const linksOf = (number) => [...found.get(String(number)).keys()].map(link).join(', ')
const byNumber = (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || a.localeCompare(b)
const numbers = Object.keys(scenarios).sort(byNumber)

const [head, , tail] = readFileSync(page, 'utf8').split(/^<!-- (?:generated|end) -->\n/m)
const table = `
| promise | attacked by scenarios | tests |
|---|---|---|
${promises
  .map(([name, says, attacks]) => {
    const files = new Set(attacks.flatMap((number) => [...found.get(String(number)).keys()]))
    return `| **${name}** ${says} | ${attacks.join(', ')} | ${[...files].sort().map(link).join(', ')} |`
  })
  .join('\n')}

## Scenarios

| | what is done to it → what must hold | tests |
|---|---|---|
${numbers.map((number) => `| ${number} | ${scenarios[number]} | ${linksOf(number)} |`).join('\n')}
`
const text = `${head}<!-- generated -->\n${table}\n<!-- end -->\n${tail}`

for (const error of errors) process.stderr.write(`${error}\n`)
if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== text)
    errors.push('docs/guarantees.md is old: node scripts/guarantees.mjs')
  if (errors.length > 0) process.stderr.write(`${errors.at(-1)}\n`)
} else writeFileSync(page, text)
process.stdout.write(
  `${relative(root, page)}: ${numbers.length} scenarios, ${found.size - [...found.values()].filter((files) => files.size === 0).length} with tests\n`,
)
process.exitCode = errors.length > 0 ? 1 : 0
