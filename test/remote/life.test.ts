/**
 * The life of a saga of remote steps: what each request says after a kill, a participant that never ends, and one that refuses to undo.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { none, Orchestrator, saga } from 'backstep'
import { expect, test } from 'vitest'
import { loadDefinitions, parseDefinitions, remote } from '#dist/remote/index.js'
import { afterwards, httpServer, recorder } from './support.js'

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'backstep-life-'))
  afterwards(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function endOf(orchestrator: Orchestrator, id: string) {
  for (;;) {
    const view = await orchestrator.get(id)
    if (view?.status === 'committed' || view?.status === 'rolled_back') return view
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const yaml = (url: string) => `
allow: ['${new URL(url).origin}']
sagas:
  - name: trip
    keys: []
    steps:
      - name: flight
        commit: { url: '${url}/flight' }
        rollback: { url: '${url}/undo-flight' }
      - name: hotel
        commit: { url: '${url}/hotel' }
        rollback: { url: '${url}/undo-hotel' }
`

test.each(['/hotel', '/undo-flight'])(
  'killed in %s: called again with the same key and trace, the next attempt, a newer token',
  async (deadly) => {
    const seen: Record<string, unknown>[] = []
    let kill: (() => void) | undefined
    const url = await httpServer((request, response) => {
      const { headers, url: path } = request
      seen.push({
        path,
        key: headers['idempotency-key'],
        commitKey: headers['x-backstep-commit-key'],
        attempt: Number(headers['x-backstep-attempt']),
        token: Number(headers['x-backstep-token']),
        ahead: Number(headers['x-backstep-deadline']) - Date.now(),
        trace: headers.traceparent,
        saga: headers['x-backstep-saga'],
      })
      if (path === deadly && kill) {
        kill()
        kill = undefined
        return
      }
      response.writeHead(path === '/hotel' ? 409 : 204).end()
    })
    const place = folder()
    const [file, store] = [join(place, 'trips.yaml'), `sqlite:${join(place, 'sagas.db')}`]
    writeFileSync(file, yaml(url))
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('life-child.mjs', import.meta.url)), file, store, 'trip/7'],
      { stdio: 'inherit' },
    )
    const gone = new Promise((resolve) => child.once('exit', resolve))
    kill = () => void child.kill('SIGKILL')
    await gone
    await using orchestrator = await Orchestrator.open(store, { sagas: loadDefinitions(file), log: false })
    expect(await endOf(orchestrator, 'trip/7')).toMatchObject({ status: 'rolled_back' })

    const [first, second, ...others] = seen.filter(({ path }) => path === deadly)
    expect(others).toEqual([])
    expect(second).toMatchObject({ key: first?.key, commitKey: first?.commitKey, saga: 'trip%2F7' })
    expect([first?.attempt, second?.attempt]).toEqual([1, 2])
    expect(second?.token).toBeGreaterThan(Number(first?.token))
    const traces = seen.map(({ trace }) => String(trace).split('-'))
    expect(new Set(traces.map(([version, trace, , flags]) => `${version} ${trace} ${flags}`))).toEqual(
      new Set([`00 ${'a'.repeat(32)} 01`]),
    )
    // Each attempt is a span of its own.
    expect(new Set(traces.map(([, , span]) => span)).size).toBe(seen.length)
    for (const { ahead } of seen) {
      expect(ahead).toBeGreaterThan(25_000)
      expect(ahead).toBeLessThanOrEqual(30_000)
    }
    for (const { path, key, commitKey } of seen) {
      const step = /flight|hotel/.exec(String(path))?.[0]
      expect(key).toMatch(
        new RegExp(`^[0-9a-f-]{36}:${step}:${String(path).includes('undo') ? 'rollback' : 'commit'}$`),
      )
      expect(commitKey).toBe(String(key).replace('rollback', 'commit'))
    }
  },
  30_000,
)

test('202 for ever: asked again and again without a longer journal, until the deadline sends it back', async () => {
  const { url, requests } = await recorder(({ url: path }) =>
    path === '/work' ? { status: 202, headers: { 'retry-after': '0' } } : { status: 204 },
  )
  const allow = [new URL(url).origin]
  const step = remote({
    commit: { url: `${url}/work` },
    rollback: { url: `${url}/undo` },
    allow,
    timeout: '1s',
  })
  const definition = saga('patient', { deadline: '3s' }).step('work', step)
  await using orchestrator = await Orchestrator.open('memory:', { log: false })
  const handle = await orchestrator.submit(definition, undefined, { id: 's' })
  expect(await handle.outcome()).toMatchObject({ status: 'rolled_back', error: { reason: 'deadline' } })
  const polls = requests.filter(({ url: path }) => path === '/work')
  expect(polls.length).toBeGreaterThan(5)
  expect(polls.map(({ headers }) => Number(headers['x-backstep-attempt']))).toEqual(
    polls.map((_, index) => index + 1),
  )
  expect(new Set(polls.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  expect(requests.at(-1)?.url).toBe('/undo')
  expect((await orchestrator.journal('s'))?.length).toBeLessThan(12)
})

test('a pivot in doubt whose participant is away: nobody turns back before it has said what came of it', async () => {
  const { url, requests } = await recorder(() => ({ body: { paid: true } }))
  const taken = await httpServer((request) => void request.socket.destroy())
  const away = 'http://127.0.0.1:1'
  const addresses = [taken, away, 'http://10.1.2.3', url]
  const undone: string[] = []
  const pay = remote({
    commit: { url: ({ attempt }) => addresses[attempt - 1] ?? url },
    rollback: none('a payment is final'),
    allow: ['http://127.0.0.1:*'],
    pivot: true,
  })
  const trip = saga('trip')
    .step('seat', { commit: () => 1, rollback: () => void undone.push('seat') })
    .step('pay', pay)
  await using orchestrator = await Orchestrator.open('memory:', { log: false })
  expect(await orchestrator.run(trip, undefined)).toEqual({ seat: 1, pay: { paid: true } })
  expect([requests.length, undone]).toEqual([1, []])
})

test('a rollback that is refused is no rollback: tried until it is done', async () => {
  const answers = [409, 404, 410, 400, 303, 200]
  const { url, requests } = await recorder(({ url: path }) => ({
    status: path === '/undo' ? (answers.shift() ?? 500) : path === '/pay' ? 409 : 204,
  }))
  const allow = [new URL(url).origin]
  const definition = saga('stubborn')
    .step(
      'book',
      remote({ commit: { url }, rollback: { url: `${url}/undo` }, allow, rollbackRetry: { min: 1, max: 5 } }),
    )
    .step('pay', remote({ commit: { url: `${url}/pay` }, rollback: { url }, allow }))
  await using orchestrator = await Orchestrator.open('memory:', { log: false })
  await expect(orchestrator.run(definition, undefined)).rejects.toMatchObject({ rolledBack: ['book'] })
  expect(answers).toEqual([])
  const undos = requests.filter(({ url: path }) => path === '/undo')
  expect(undos.map(({ headers }) => headers['x-backstep-attempt'])).toEqual(['1', '2', '3', '4', '5', '6'])
})

test('an orchestrator that stops closes its connections, and the next one asks again', async () => {
  const closed: Promise<unknown>[] = []
  const arrived: (() => void)[] = []
  let hangs = true
  const url = await httpServer((request, response) => {
    if (!hangs) return void response.writeHead(204).end()
    closed.push(new Promise((resolve) => request.socket.once('close', resolve)))
    arrived.shift()?.()
  })
  const place = folder()
  const store = `sqlite:${join(place, 'sagas.db')}`
  const sagas = parseDefinitions(yaml(url))
  const stopping = await Orchestrator.open(store, { sagas, log: false })
  const isThere = new Promise<void>((resolve) => arrived.push(resolve))
  await stopping.submit(sagas[0] as never, {} as never, { id: 's' })
  await isThere
  await stopping.close({ drain: 0 })
  await closed[0]
  hangs = false
  await using next = await Orchestrator.open(store, { sagas, log: false })
  expect(await endOf(next, 's')).toMatchObject({ status: 'committed' })
})
