/**
 * Sagas that bring their steps along: they run, are found again by another process from what is stored, and share definitions.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Orchestrator } from 'backstep'
import { describe, expect, test } from 'vitest'
import { inlineOf, inlineSaga } from '#dist/remote/index.js'
import { afterwards, recorder } from './support.js'

const allow = ['http://127.0.0.1:*']
const stepsAt = (url: string, more: object = {}) => [
  {
    name: 'flight',
    commit: { url: `${url}/flights/{input.to}` },
    rollback: { url: `${url}/flights/undo` },
    ...more,
  },
  {
    name: 'hotel',
    when: { 'input.to': 'LIS' },
    commit: { url: `${url}/hotels` },
    rollback: { none: 'a test' },
  },
]

test('it runs, with placeholders of the input that was submitted with it', async () => {
  const { url, requests } = await recorder(({ url: path }) => ({ body: { path } }))
  const { definition, input } = inlineSaga(
    { name: 'trip', steps: stepsAt(url), input: { to: 'LIS' } },
    { allow },
  )
  await using orchestrator = await Orchestrator.open('memory:', { log: false })
  expect(await orchestrator.run(definition, input)).toEqual({
    flight: { path: '/flights/LIS' },
    hotel: { path: '/hotels' },
  })
  expect(requests.map(({ body }) => body)).toEqual(['{"to":"LIS"}', '{"to":"LIS"}'])
})

test('another process finds its definition from what is stored, and ends it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'backstep-inline-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  const address = `sqlite:${join(folder, 'sagas.db')}`
  const { url, requests } = await recorder(({ url: path }) =>
    path === '/flights/LIS' ? {} : { status: path === '/hotels' ? 409 : 204 },
  )
  {
    const { definition, input } = inlineSaga(
      { name: 'trip', steps: stepsAt(url), input: { to: 'LIS' } },
      { allow },
    )
    await using orchestrator = await Orchestrator.open(address, { log: false, work: false })
    await orchestrator.submit(definition, input, { id: 'trip-1' })
  }
  await using orchestrator = await Orchestrator.open(address, { log: false })
  const view = await orchestrator.get('trip-1')
  if (!view) throw new Error('it is gone')
  const definition = inlineOf(view, { allow })
  expect(definition?.plan).toMatchObject({ name: 'trip', version: view.version, shape: 'flight > hotel' })
  // The same id and input again: that is how a definition is offered to sagas that are stored.
  const handle = await orchestrator.submit(definition as never, view.input as never, { id: 'trip-1' })
  expect(await handle.outcome()).toMatchObject({ status: 'rolled_back' })
  expect(requests.map((request) => request.url)).toEqual(['/flights/LIS', '/hotels', '/flights/undo'])
})

describe('versions', () => {
  const versionOf = (steps: unknown, keys?: string[]) =>
    inlineSaga({ name: 'a', steps, keys }, { allow }).definition.plan.version
  const url = 'http://127.0.0.1:1'

  test('what differs only in addresses, bodies and input shares one; policies and shape tell them apart', () => {
    const version = versionOf(stepsAt(url))
    expect(version).toMatch(/^inline-[0-9a-f]{32}$/)
    expect(versionOf(stepsAt('http://127.0.0.1:2'))).toBe(version)
    expect(versionOf(stepsAt(url, { commit: { url, body: { to: 'OSL' } } }))).toBe(version)
    const others = [
      versionOf(stepsAt(url, { timeout: '5s' })),
      versionOf(stepsAt(url, { retry: { attempts: 2 } })),
      versionOf(stepsAt(url, { rollback: { none: 'x' } })),
      versionOf(stepsAt(url, { verify: { url } })),
      versionOf(stepsAt(url, { when: { 'input.a': 1 } })),
      versionOf(stepsAt(url, { name: 'train' })),
      versionOf([...stepsAt(url)].reverse()),
      versionOf([{ parallel: stepsAt(url) }]),
      versionOf(stepsAt(url), ['a']),
    ]
    expect(new Set([version, ...others]).size).toBe(10)
  })

  test('keys are read from what is stored', () => {
    const submission = { name: 'a', steps: stepsAt(url), keys: ['to:{input.to}'], input: { to: 'LIS' } }
    const { definition, input } = inlineSaga(submission, { allow })
    expect(definition.keys?.(input as never)).toEqual(['to:LIS'])
    expect(
      inlineSaga({ ...submission, keys: [] }, { allow }).definition.keys?.({ keys: [] } as never),
    ).toEqual([])
  })

  test('two sagas of one version do what each of them brought along', async () => {
    const { url: here, requests } = await recorder()
    await using orchestrator = await Orchestrator.open('memory:', { log: false })
    const brought = ['/a', '/b'].map((path) =>
      inlineSaga({ name: 'x', steps: stepsAt(here + path), keys: [], input: { to: 'OSL' } }, { allow }),
    )
    await Promise.all(brought.map(({ definition, input }) => orchestrator.run(definition, input)))
    expect(requests.map((request) => request.url).sort()).toEqual(['/a/flights/OSL', '/b/flights/OSL'])
  })
})

describe('what comes from outside', () => {
  const url = 'http://127.0.0.1:1'
  test.each([
    ['steps', 'the submission: steps is 7', { steps: 7 }],
    ['no name', "the submission: name: '' cannot be", { name: '' }],
    [
      'an unknown field',
      "steps[0].comit: there is no field 'comit' here",
      { steps: [{ name: 'a', comit: {}, commit: { url } }] },
    ],
    [
      'another origin',
      'steps[0].commit.url: https://evil.example is not on the allow-list',
      { steps: [{ name: 'a', commit: { url: 'https://evil.example/' }, rollback: { url } }] },
    ],
    [
      'the environment',
      'unknown placeholder {env.HOME}',
      { steps: [{ name: 'a', commit: { url, headers: { a: '{env.HOME}' } }, rollback: { url } }] },
    ],
    [
      'a lone step behind nothing',
      'steps[0].rollback is missing',
      { steps: [{ name: 'a', commit: { url } }] },
    ],
  ])('%s: refused by its place', (_, message, wrong) => {
    const submit = () => inlineSaga({ name: 'a', steps: stepsAt(url), ...wrong } as never, { allow })
    expect(submit).toThrow(expect.objectContaining({ code: 'BAD_DEFINITION' }))
    expect(submit).toThrow(message)
  })

  test('without a list nothing is allowed', () => {
    const steps = [
      {
        name: 'a',
        commit: { url: 'https://flights.example/' },
        rollback: { url: 'https://flights.example/' },
      },
    ]
    expect(() => inlineSaga({ name: 'a', steps }, { allow: [] })).toThrow('is not on the allow-list')
  })

  test('other sagas are none of them, nor what another hash belongs to', () => {
    expect(inlineOf({ name: 'a', version: '1', input: { steps: [] } }, { allow })).toBeUndefined()
    const { definition, input } = inlineSaga({ name: 'a', steps: stepsAt(url) }, { allow })
    const { version } = definition.plan
    expect(inlineOf({ name: 'a', version, input }, { allow })?.plan).toEqual(definition.plan)
    expect(inlineOf({ name: 'a', version: 'inline-0', input }, { allow })).toBeUndefined()
    expect(inlineOf({ name: 'a', version, input: 7 }, { allow })).toBeUndefined()
    // An origin that has left the list: it is found all the same, and its calls are refused.
    expect(inlineOf({ name: 'a', version, input }, { allow: [] })).toBeDefined()
  })
})
