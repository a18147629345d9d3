/**
 * `backstep serve` as a process: what it prints, refuses and survives. Scenario 44 with a real kill.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { backstep, Folder, start } from '../cli/processes.js'

const folder = new Folder()
const cwd = folder.path
const children: ReturnType<typeof start>[] = []
afterAll(() => {
  // A test that failed has ended none of its own.
  for (const child of children) child.kill('SIGKILL')
  folder.remove()
})

const token = 'a-token-of-some-length-0123456789'
const tokens = JSON.stringify([{ token, role: 'operate', name: 'ada' }])

const slowSaga = (origin: string) => `
sagas:
  - name: slow
    steps:
      - { name: a, timeout: 1m, commit: { url: '${origin}/a' }, rollback: { url: '${origin}/undo' } }
      - { name: b, timeout: 1m, commit: { url: '${origin}/b' }, rollback: { url: '${origin}/undo' } }
`

const apiOf = (stdout: string) => /^API +(\S+)$/m.exec(stdout)?.[1] ?? ''

async function served(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(['serve', '--port', '0', ...args], { cwd, env })
  children.push(child)
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const [stdout] = await once(child.stdout, 'data')
  const exit = once(child, 'exit')
  return { child, stdout: String(stdout), stderr: () => stderr, exit }
}

describe.concurrent('backstep serve', () => {
  test('prints where the page and the API are; makes the store; a signal ends it with 0', async () => {
    const { child, stdout, stderr, exit } = await served(['--store', 'sqlite:made.db'])
    const [, page, api] =
      /^page {3}(http:\/\/127\.0\.0\.1:\d+\/)\nAPI {4}(\S+)\nstore {2}sqlite:made\.db\n$/.exec(stdout) ?? []
    expect(api).toBe(`${page}v1/sagas`)
    expect(existsSync(folder.file('made.db'))).toBe(true)
    expect((await fetch(api ?? '')).status).toBe(200)
    const root = await fetch(page ?? '')
    expect([root.status, root.headers.get('Content-Type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(root.headers.get('Content-Security-Policy')).toContain("script-src 'self'")
    child.kill('SIGTERM')
    expect(await exit).toEqual([0, null])
    expect(stderr()).toContain('SIGTERM: what runs may end')
  })

  test('a stream does not hold it up', async () => {
    const { child, stdout, exit } = await served(['--json', '--store', 'sqlite:stream.db', '--no-work'])
    const { page, store } = JSON.parse(stdout)
    expect(store).toBe('sqlite:stream.db')
    const stream = await fetch(`${page}v1/events`)
    const since = performance.now()
    child.kill('SIGINT')
    expect(await exit).toEqual([0, null])
    expect(performance.now() - since).toBeLessThan(5_000)
    await stream.text()
  })

  /** A server with a saga whose step `a` is under way at a participant, which answers when it is told to. */
  async function underWay(store: string) {
    let isReached = (): void => {}
    let answerAll = (): void => {}
    const reached = new Promise<void>((resolve) => {
      isReached = resolve
    })
    const mayAnswer = new Promise<void>((resolve) => {
      answerAll = resolve
    })
    const asked: string[] = []
    const participant = createServer(async (request, response) => {
      asked.push(`${request.url} ${request.headers['x-backstep-attempt']}`)
      isReached()
      await mayAnswer
      response.setHeader('Content-Type', 'application/json').end('{}')
    }).listen(0, '127.0.0.1')
    await once(participant, 'listening')
    const origin = `http://127.0.0.1:${(participant.address() as AddressInfo).port}`
    const file = folder.file(`${store}.yaml`)
    writeFileSync(file, slowSaga(origin))
    const args = ['--store', `sqlite:${store}.db`, '--definitions', file, '--allow', origin]
    const first = await served(args)
    const body = JSON.stringify({ definition: 'slow', id: 'mine' })
    const headers = { 'Content-Type': 'application/json' }
    await fetch(apiOf(first.stdout), { method: 'POST', headers, body })
    await reached
    return { ...first, asked, answerAll, participant }
  }

  test('a signal lets what runs end', async ({ expect }) => {
    const { child, exit, asked, answerAll, participant, stderr } = await underWay('drained')
    child.kill('SIGTERM')
    await expect.poll(stderr, { timeout: 10_000 }).toContain('what runs may end')
    answerAll()
    expect(await exit).toEqual([0, null])
    const { stdout } = await backstep(['show', 'mine', '--store', 'sqlite:drained.db', '--json'], { cwd })
    expect([JSON.parse(stdout).status, asked]).toEqual(['committed', ['/a 1', '/b 1']])
    participant.close()
  }, 60_000)

  test('a second signal ends it at once, whatever is under way', async ({ expect }) => {
    const { child, exit, participant, stderr } = await underWay('twice')
    child.kill('SIGTERM')
    await expect.poll(stderr, { timeout: 10_000 }).toContain('what runs may end')
    const since = performance.now()
    child.kill('SIGTERM')
    expect(await exit).toEqual([null, 'SIGTERM'])
    expect(performance.now() - since).toBeLessThan(3_000)
    participant.closeAllConnections()
    participant.close()
  }, 60_000)

  test('tokens from a file or the environment; never shown; who reads the file is warned', async () => {
    const file = folder.file('tokens.json')
    writeFileSync(file, tokens)
    chmodSync(file, 0o644)
    for (const [args, env] of [
      [['--token-file', file, '--host', '0.0.0.0'], {}],
      [[], { BACKSTEP_TOKENS: tokens }],
    ] as const) {
      const { child, stdout, stderr, exit } = await served(
        ['--json', '--store', 'sqlite:tokens.db', ...args],
        env,
      )
      const url = `${JSON.parse(stdout).api.replace('0.0.0.0', '127.0.0.1')}`
      expect((await fetch(url)).status).toBe(401)
      expect((await fetch(url, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200)
      child.kill('SIGTERM')
      await exit
      expect(stdout + stderr()).not.toContain(token)
      expect(stderr().includes('can be read by every user')).toBe(args.length > 0)
    }
  })

  for (const name of ['one', 'two']) {
    writeFileSync(folder.file(`${name}.yaml`), slowSaga('https://slow.example'))
  }
  writeFileSync(folder.file('bad.json'), `[{"token": "${token}"`)
  writeFileSync(folder.file('short.json'), '[{"token": "short-secret", "role": "read", "name": "x"}]')
  writeFileSync(folder.file('empty.json'), '')
  for (const name of ['bad', 'short', 'empty']) chmodSync(folder.file(`${name}.json`), 0o600)

  test.each([
    ['--host 0.0.0.0', /^2 error: 0\.0\.0\.0 can be reached .* hint: say who may call, with --token-file/],
    [
      '--definitions one.yaml --definitions two.yaml',
      /^2 error: slow@1 is in one\.yaml and in two\.yaml hint: give/,
    ],
    ['--token-file bad.json', /^2 error: bad\.json is no JSON hint: write/],
    ['--token-file short.json', /^2 error: .*less than 16/],
    ['--token-file empty.json', /^2 error: empty\.json is empty/],
    ['--token-file none.json', /^2 error: none\.json cannot be read: ENOENT/],
    ['--port 70000', /^2 .*Not a port/],
    ['--redact card', /^2 error: .*redact "card" is no path/],
    ['--read-only', /^1 error: .*refused\.db/],
  ])('refuses %s: exit code, words and a hint; nothing is made, and no token quoted', async (args, says) => {
    const line = ['serve', '--store', 'sqlite:refused.db', '--port', '0', ...args.split(' ')]
    const { code, stdout, stderr } = await backstep(line, { cwd })
    expect(stdout).toBe('')
    expect(stderr).not.toMatch(new RegExp(`${token}|short-secret`))
    expect(`${code} ${stderr.replace(/\s+/g, ' ')}`).toMatch(says)
    expect(existsSync(folder.file('refused.db'))).toBe(false)
  })

  test('refuses a port that is taken', async () => {
    const { child, stdout, exit } = await served(['--json', '--store', 'sqlite:port.db'])
    const { port } = new URL(JSON.parse(stdout).page)
    const { code, stderr } = await backstep(['serve', '--store', 'sqlite:port.db', '--port', port], { cwd })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: 127\.0\.0\.1:\d+ is taken by another process\n {2}hint: choose another/)
    child.kill('SIGTERM')
    await exit
  })
})

test('scenario 44: killed between "stored" and the answer; the client sends again and finds the same saga', async () => {
  const { child, stdout, exit } = await submitting()
  const url = JSON.parse(stdout).url
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'order-7' }
  const body = JSON.stringify({ definition: 'trip', input: { n: 1 } })
  const send = (to: string) => fetch(`${to}v1/sagas`, { method: 'POST', headers, body })
  const [first] = await Promise.allSettled([send(url), exit])
  expect(first.status).toBe('rejected')
  expect(await exit).toEqual([null, 'SIGKILL'])
  const again = await submitting('no kill')
  const to = JSON.parse(again.stdout).url
  const answer = await send(to)
  expect(answer.status).toBe(200)
  const { id, submittedAt } = (await answer.json()) as { id: string; submittedAt: number }
  const list = (await (await fetch(`${to}v1/sagas`)).json()) as { sagas: { id: string }[] }
  expect([id, list.sagas.map((saga) => saga.id)]).toEqual(['order-7', ['order-7']])
  expect(submittedAt).toBeLessThan(Number(JSON.parse(again.stdout).startedAt))
  const other = await fetch(`${to}v1/sagas`, { method: 'POST', headers, body: body.replace('1', '2') })
  expect(other.status).toBe(422)
  again.child.kill('SIGKILL')
  await again.exit
  expect(child.killed).toBe(false)
})

async function submitting(kill = 'kill') {
  const script = fileURLToPath(new URL('killed-child.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, folder.file('killed.db'), kill], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const [stdout] = await once(child.stdout, 'data')
  return { child, stdout: String(stdout), exit }
}
