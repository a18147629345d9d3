/**
 * What is struck out, whatever form it takes where it is quoted; and that what Backstep says itself is left.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Orchestrator, Rejected, saga } from 'backstep'
import { afterEach, describe, expect, test } from 'vitest'
import { Service } from './fixture.js'

const open: Service[] = []
const start = async (...args: Parameters<typeof Service.start>) => {
  const service = await Service.start(...args)
  open.push(service)
  return service
}
afterEach(async () => {
  for (const service of open.splice(0)) await service.stop()
})

/** Its step answers, or complains, as it is told by a function of the input. */
const quoting = (says: (input: { readonly secret: string }) => unknown, fails: boolean) =>
  saga<{ readonly secret: string }>('quoting', { keys: () => [] }).step('one', {
    commit: ({ input }) => {
      const said = says(input)
      if (fails) throw new Rejected(String(said))
      return said as never
    },
    rollback: () => {},
  })

const shownOf = async (service: Service, id: string) => {
  const [view, journal] = await Promise.all([
    service.call(`/v1/sagas/${id}`),
    service.call(`/v1/sagas/${id}/journal`),
  ])
  return { view: view.body, journal: journal.body, all: JSON.stringify([view.body, journal.body]) }
}

describe('a secret is struck out in the form in which it is quoted', () => {
  test.each([
    ['as JSON escapes it', 'ab"Zq\\ef\ngh', (secret: string) => JSON.stringify({ card: secret })],
    ['as an address does', 'Zq@x.example/ö ü', (secret: string) => `GET /x?c=${encodeURIComponent(secret)}`],
    ['as it is', 'ab"Zq', (secret: string) => `no ${secret}`],
  ])('%s', async (_, secret, quote) => {
    const definition = quoting((input) => quote(input.secret), true)
    const service = await start({ redact: ['input.secret'] }, 'memory:', { sagas: [definition] })
    await service.ended({ secret }, 'q', 'quoting')
    const { view, all } = await shownOf(service, 'q')
    expect(view.steps[0].error.message).toContain('[redacted]')
    for (const part of [quote(secret), JSON.stringify(quote(secret)).slice(1, -1)])
      expect(all).not.toContain(part)
    // No uid and no address has a Z.
    expect(all).not.toContain('Zq')
  })

  test("as the name of an output's member", async () => {
    const definition = quoting(({ secret }) => ({ [secret]: { [`x-${secret}`]: 1 } }), false)
    const service = await start({ redact: ['input.secret'] }, 'memory:', { sagas: [definition] })
    await service.ended({ secret: '42424242' }, 'q', 'quoting')
    const { view, all } = await shownOf(service, 'q')
    expect(view.outputs.one).toEqual({ '[redacted]': { 'x-[redacted]': 1 } })
    expect(all).not.toContain('42424242')
  })
})

test('a saga that brought its steps along: the same path means its input, and errors that quote it', async () => {
  const participant = createServer(async (request, response) => {
    response.statusCode = 409
    response.end(`no: ${await text(request)}`)
  }).listen(0, '127.0.0.1')
  const { port } = await new Promise<AddressInfo>((resolve) =>
    participant.on('listening', () => resolve(participant.address() as AddressInfo)),
  )
  const url = `http://127.0.0.1:${port}`
  const service = await start({ redact: ['input.card', 'input.steps'], allow: [url] })
  const steps = [
    {
      name: 'pay',
      commit: { url: `${url}/pay`, headers: { authorization: 'Bearer planted-token' } },
      rollback: { none: 'x' },
    },
  ]
  const body = { name: 'brought', id: 'q', steps, input: { card: '4242424242', to: 'LIS' } }
  await service.call('/v1/sagas', { body, headers: { Prefer: 'wait=20' } })
  const { view, all } = await shownOf(service, 'q')
  expect(view.input).toEqual({ steps: '[redacted]', input: { card: '[redacted]', to: 'LIS' } })
  expect(view.steps[0].error.message).toContain('no: {"card":"[redacted]","to":"LIS"}')
  expect(all).not.toMatch(/4242424242|planted-token/)
  participant.close()
})

test('words and numbers of Backstep stay, whatever is a secret', async () => {
  const service = await start({ redact: ['input'] }, 'memory:', {})
  const words = [
    'open',
    'waiting',
    'committed',
    'commit',
    'message',
    'keys',
    'position',
    'attempt',
    'rejected',
  ]
  const input = { commit: { payment: 'refuse' }, rollback: { flight: 'fail' }, words, keys: ['position'] }
  await service.submit(input as never, 'q')
  const view = await service.until('q', ({ stuck }) => stuck)
  expect(view.steps.map(({ commit, rollback }: Record<string, string>) => [commit, rollback])).toEqual([
    ['committed', 'waiting'],
    ['committed', 'done'],
    ['failed', 'idle'],
  ])
  expect(view.why).toMatch(/^stuck, waiting .* for attempt 2 of the rollback of flight; last error: Error: /)
  expect(view.input).toBe('[redacted]')
  expect(view.keys).toEqual(['[redacted]'])
  const { journal } = await shownOf(service, 'q')
  const turned = journal.entries.find(({ type }: { type: string }) => type === 'rolling_back')
  expect(turned).toMatchObject({ reason: 'rejected', step: 'payment' })
})

test('addresses stay, also those of what a saga waits for, and of the step that turned it back', async () => {
  const bill = saga<{ readonly of: string; readonly fails?: true }>('bill', {
    keys: (input) => [input.of],
  })
  const definition = bill.step('charge', {
    commit: ({ input, signal }) =>
      new Promise<never>((_, reject) => {
        if (input.fails) return reject(new Rejected('no'))
        signal.addEventListener('abort', () => reject(new Error('given up')))
      }),
    rollback: () => {},
  })
  const service = await start({ redact: ['input.of'] }, 'memory:', { sagas: [definition] })
  const submit = (id: string, input: object) =>
    service.call('/v1/sagas', { body: { definition: 'bill', id, input } })
  await submit('of-acme', { of: 'acme' })
  await submit('of-acme-2', { of: 'acme' })
  const waiting = await service.until('of-acme-2', ({ waitsFor }) => waitsFor.length > 0)
  expect(waiting.waitsFor).toMatchObject([{ id: 'of-acme', key: '[redacted]' }])
  await submit('turned', { of: 'charge', fails: true })
  const turned = await service.until('turned', ({ status }) => status === 'rolled_back')
  expect(turned.wayBack).toMatchObject({ step: 'charge' })
  await service.call('/v1/sagas/of-acme/cancel', { body: { reason: 'the end' } })
  await service.call('/v1/sagas/of-acme-2/cancel', { body: { reason: 'the end' } })
})

test("the app's own log repeats nothing that is not shown", async () => {
  const lines: unknown[] = []
  const sink = (fields: object) => void lines.push(fields)
  const log = { debug: sink, info: sink, warn: sink, error: sink }
  const orchestrator = await Orchestrator.open('memory:', { log: false })
  orchestrator.get = () => Promise.reject(new TypeError('cannot read 42424242 of this'))
  const { sagaApp } = await import('backstep/http')
  const app = sagaApp(orchestrator, { redact: ['input.card'], log })
  expect((await app.request('/v1/sagas/x')).status).toBe(500)
  // An error itself would be printed with its message.
  expect(lines).toEqual([
    { event: 'request_failed', method: 'GET', route: '/v1/sagas/:id', err: { name: 'TypeError' } },
  ])
  await orchestrator.close()
})
