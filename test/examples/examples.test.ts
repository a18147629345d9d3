/** The examples, as a newcomer runs them: each prints what its text promises. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { describePostgres, freshDatabase } from '../support/postgres.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = (args: readonly string[], env: NodeJS.ProcessEnv = process.env): string =>
  execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', env })

const expected: Record<string, string> = {
  'book-trip': `
paid 420; booked: flight to Lisbon, hotel in Lisbon
payment rejected; rolled back: hotel, flight; booked: nothing
`,
  transfer: `
before: ada 100, bob 50, eve 0
ada sends 60, the answer is lost: rolled_back; ada 100, bob 50, eve 0
ada sends 60: committed; ada 40, bob 50, eve 60
ada sends 60 more: rolled_back; ada 40, bob 50, eve 60
`,
  order: `
shelf A-6, wrapping: none, mail sent on attempt 3
order-2: committed
  stock committed
  credit committed
  wrapping committed
  label committed
  charge committed
  mail committed
`,
  operator: `
rental-1 is stuck: the rollback of car failed 3 times: the rental office has burnt down
status rolling_back, stuck true
ended rolled_back
`,
}

expected.remote = `
Lisbon: booked for 120
Oslo: too expensive; rolled back: flight
Atlantis: POST /flights answered 409, there is no flight to Atlantis; rolled back: nothing
standing: Lisbon
`

/** What the guide shows is what is printed. */
function shownIn(page: string, after: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  return /```\n([\s\S]*?)\n```/.exec(text.slice(text.indexOf(after)))?.[1] ?? ''
}

expected['prove-a-rollback'] = `
${shownIn('testing.md', 'the broken saga')}

${shownIn('testing.md', 'the mended saga')}
`

const onPostgres: Record<string, string> = {
  'in-transaction': `
order-1: sent for order-1
order-2: no order, no saga
`,
  'in-kysely': `
committed
the order was refused
no saga
`,
  'in-drizzle': `
committed
the order was refused
no saga
`,
}

beforeAll(() => {
  run(['scripts/build.mjs', 'tsconfig.examples.json'])
}, 60_000)

test('every example has its expected output here', () => {
  // Participants in other languages have tests of their own: test/remote/participants.test.ts.
  const examples = readdirSync(new URL('../../examples', import.meta.url))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replace('.ts', ''))
  expect(examples.sort()).toEqual(Object.keys({ ...expected, ...onPostgres }).sort())
})

test.each(Object.keys(expected))('%s', (name) => {
  expect(run([`dist-examples/${name}.js`])).toBe(expected[name]?.trimStart())
})

describePostgres('examples on PostgreSQL', () => {
  test.each(Object.keys(onPostgres))('%s', async (name) => {
    const env = { ...process.env, DATABASE_URL: await freshDatabase() }
    expect(run([`dist-examples/${name}.js`], env)).toBe(onPostgres[name]?.trimStart())
  })
})
