/**
 * docs/http.md: every command in it is run against a server, and answers what is written below it.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Orchestrator, pending, Rejected, saga } from 'backstep'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SagaServer, serve } from '#dist/http/index.js'

const text = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8')

interface Example {
  readonly command: string
  readonly answer: readonly string[]
}

function examplesIn(markdown: string): Example[] {
  const blocks = [...markdown.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block]) => block ?? '')
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter(Boolean)
      .map((one) => {
        const [command = '', ...answer] = one.trimEnd().split('\n')
        return { command, answer }
      }),
  )
}

/** `…` stands for anything. */
const pattern = (line: string) =>
  new RegExp(
    `^${line
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}${line.endsWith('…') ? '' : '$'}`,
    'm',
  )

const bookTrip = saga<{ to: string }>('book-trip', { keys: () => [] }).step('flight', {
  commit: ({ input }) => {
    if (input.to === 'nowhere') throw new Rejected('there is no such place')
    return input.to === 'later' ? pending({ checkAfter: '1m' }) : { id: `flight to ${input.to}` }
  },
  rollback: () => {},
})

let orchestrator: Orchestrator
let server: SagaServer

beforeAll(async () => {
  orchestrator = await Orchestrator.open('memory:', { sagas: [bookTrip], log: false })
  server = await serve(orchestrator, { port: 0, page: false })
})
afterAll(async () => {
  await server.close({ drain: 0 })
  await orchestrator.close({ drain: 0 })
})

test('every example does what it says', async () => {
  const examples = examplesIn(text)
  expect(examples.length).toBeGreaterThanOrEqual(10)
  for (const { command, answer } of examples) {
    const [, id] = /sagas\/(order-(?:9|10))\//.exec(command) ?? []
    // What is stepped in at waits.
    if (id) {
      await orchestrator.submit(bookTrip, { to: 'later' }, { id })
      await expect.poll(async () => (await orchestrator.get(id))?.steps[0]?.commit).toBe('waiting')
    }
    const env = { ...process.env, API: `${server.url}v1` }
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { env })
    const said = stdout.replaceAll('\r', '')
    expect(answer.length, command).toBeGreaterThan(0)
    for (const line of answer) expect(said, command).toMatch(pattern(line))
  }
})

test('every code of an error that the docs name is one that the server has, and none is left out', () => {
  const sources = ['problem', 'body', 'access', 'call', 'stream', 'submitting', 'inline', 'app']
    .map((name) => readFileSync(new URL(`../../src/http/${name}.ts`, import.meta.url), 'utf8'))
    .join('\n')
  const thrown = [...sources.matchAll(/code: '([A-Z_]+)'|^ {2}([A-Z_]+): \d{3},$/gm)].map(
    ([, one, other]) => one ?? other,
  )
  const told = new Set(
    [...text.slice(text.indexOf('## Errors'), text.indexOf('## Who may')).matchAll(/`([A-Z_]{4,})`/g)].map(
      ([, code]) => code,
    ),
  )
  const elsewhere = ['ANONYMOUS', 'PRUNED', 'INTERNAL']
  expect([...new Set(thrown)].filter((code) => !told.has(code) && !elsewhere.includes(code ?? ''))).toEqual(
    [],
  )
  expect(told.size).toBeGreaterThan(15)
})
