/**
 * Sagas that bring their steps along, and sagas of a definition file, over HTTP: run, refused where steps may not go, found after a restart.
 */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backstep, Folder, start } from '../cli/processes.js'
import { Service } from './fixture.js'

const folder = new Folder()
const heard: string[] = []
let participant: Server
let url = ''

beforeAll(async () => {
  participant = createServer(async (request, response) => {
    heard.push(`${request.method} ${request.url} ${await text(request)}`)
    response.setHeader('Content-Type', 'application/json')
    // What is full is so only for now.
    response.statusCode = request.url === '/flights/full' ? 503 : 200
    response.end('{"id":"F1"}')
  }).listen(0, '127.0.0.1')
  await once(participant, 'listening')
  url = `http://127.0.0.1:${(participant.address() as AddressInfo).port}`
})
afterAll(() => {
  participant.close()
  folder.remove()
})

const steps = (path: string) => [
  {
    name: 'flight',
    commit: { url: `${url}${path}`, body: { to: '{input.to}' } },
    rollback: { url: `${url}/cancel/{commitKey}` },
    retry: { attempts: 1_000, min: 60_000, max: 60_000 },
  },
]

test('steps go where the server lets them, and nowhere else', async () => {
  const service = await Service.start({ allow: [url] })
  const body = { name: 'fly', steps: steps('/flights'), input: { to: 'LIS' }, id: 'inline-1' }
  const headers = { Prefer: 'wait=20' }
  const done = await service.call('/v1/sagas', { body, headers })
  expect([done.status, done.body.status, done.body.outputs.flight]).toEqual([201, 'committed', { id: 'F1' }])
  expect(heard).toContain('POST /flights {"to":"LIS"}')
  expect((await service.call('/v1/sagas', { body })).status).toBe(200)
  const other = await service.call('/v1/sagas', { body: { ...body, steps: steps('/elsewhere') } })
  expect([other.status, other.body.code]).toEqual([422, 'CONFLICT'])
  const foreign = steps('/x').map((step) => ({ ...step, commit: { url: 'http://169.254.169.254/latest' } }))
  const refused = await service.call('/v1/sagas', { body: { name: 'fly', steps: foreign } })
  expect([refused.status, refused.body.code]).toEqual([400, 'BAD_DEFINITION'])
  expect((await service.call('/v1/sagas', { body: { steps: steps('/x') } })).status).toBe(400)
  expect((await service.call('/v1/sagas', { body: { ...body, definition: 'trip' } })).status).toBe(400)
  // No name leads to what one client brought along.
  const byName = await service.call('/v1/sagas', { body: { definition: 'fly', input: {} } })
  expect([byName.status, byName.body.code]).toEqual([404, 'UNKNOWN_DEFINITION'])
  expect(JSON.stringify((await service.call('/v1/definitions')).body)).not.toContain('inline-')
  await service.stop()
  const closed = await Service.start()
  const none = await closed.call('/v1/sagas', { body })
  expect([none.status, none.body.code]).toEqual([403, 'NO_INLINE_STEPS'])
  await closed.stop()
})

test('after a restart they are found again by what is stored', async () => {
  const store = `sqlite:${folder.file('inline.db')}`
  const first = await Service.start({ allow: [url] }, store)
  const body = { name: 'fly', steps: steps('/flights/full'), input: { to: 'OPO' }, id: 'kept-1' }
  await first.call('/v1/sagas', { body })
  await first.until('kept-1', ({ steps: [flight] }) => flight.commit === 'waiting')
  await first.stop()
  const second = await Service.start({ allow: [url] }, store)
  await second.until('kept-1', ({ blocked }) => !blocked)
  await second.call('/v1/sagas/kept-1/cancel', { body: { reason: 'full' } })
  await second.until('kept-1', ({ status }) => status === 'rolled_back')
  await second.stop()
})

test('backstep serve --definitions: sagas of a file by their name; a mistake is told by its line', async () => {
  const file = folder.file('sagas.yaml')
  const yaml = `sagas:\n  - name: fly\n    steps:\n      - name: flight\n        commit: { url: '${url}/flights' }\n        rollback: { url: '${url}/cancel' }\n`
  writeFileSync(file, yaml)
  const store = `sqlite:${folder.file('file.db')}`
  const child = start([
    'serve',
    '--json',
    '--port',
    '0',
    '--store',
    store,
    '--definitions',
    file,
    '--allow',
    url,
  ])
  const [line] = await once(child.stdout, 'data')
  const { api } = JSON.parse(String(line))
  const headers = { 'Content-Type': 'application/json', Prefer: 'wait=20' }
  const answer = await fetch(api, {
    method: 'POST',
    headers,
    body: '{"definition":"fly","input":{"to":"LIS"}}',
  })
  expect(await answer.json()).toMatchObject({
    name: 'fly',
    status: 'committed',
    outputs: { flight: { id: 'F1' } },
  })
  child.kill('SIGTERM')
  await once(child, 'exit')

  writeFileSync(file, yaml.replace('rollback', 'rolback'))
  const refused = await backstep(['serve', '--store', store, '--definitions', file])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/sagas\.yaml:\d+:\d+/)])
  const missing = await backstep(['serve', '--store', store, '--definitions', 'nothing.yaml'])
  expect([missing.code, missing.stderr]).toEqual([
    2,
    expect.stringContaining('nothing.yaml cannot be read: ENOENT'),
  ])
})

test("the submitter's trace is handed on to the participants", async () => {
  const traces: unknown[] = []
  const hear = (request: { headers: Record<string, unknown> }) => traces.push(request.headers['traceparent'])
  participant.on('request', hear)
  const service = await Service.start({ allow: [url] })
  const headers = {
    Prefer: 'wait=20',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  await service.call('/v1/sagas', { body: { name: 'fly', steps: steps('/flights'), input: {} }, headers })
  expect(traces).toEqual([
    expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/),
  ])
  participant.off('request', hear)
  await service.stop()
})
