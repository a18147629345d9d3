/**
 * Traces: the submitter's is kept with the saga, spans nest, and after a restart they link to it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Orchestrator, pending, saga } from 'backstep'
import { beforeAll, expect, test } from 'vitest'
import { instrument } from '#dist/http/index.js'
import { Service } from './fixture.js'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const tracer = provider.getTracer('test')
const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${parentId}-01`

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})

const spans = () => exporter.getFinishedSpans()
const named = (name: string) => spans().filter((span) => span.name === name)

test('a saga is a child of its submitter, attempts are children of it, and what they do of them', async () => {
  exporter.reset()
  const inside: (string | undefined)[] = []
  const trip = saga('traced')
    .step('flight', {
      commit: async (call) => {
        inside.push(trace.getActiveSpan()?.spanContext().spanId, call.trace)
        await Promise.resolve()
        inside.push(trace.getActiveSpan()?.spanContext().spanId)
        return 1
      },
      rollback: () => {},
    })
    .step('hotel', {
      commit: () => {
        throw new RangeError('secret words')
      },
      rollback: () => {},
    })
  await using orchestrator = await Orchestrator.open('memory:', { sagas: [trip], log: false })
  instrument(orchestrator, { tracer })
  const handle = await orchestrator.submit(trip, undefined, { id: 'a', trace: traceparent })
  expect((await handle.outcome()).status).toBe('rolled_back')
  const [whole] = named('saga traced@1')
  expect(whole?.spanContext().traceId).toBe(traceId)
  expect(whole?.parentSpanContext?.spanId).toBe(parentId)
  expect(whole?.attributes).toMatchObject({ 'backstep.saga': 'a', 'backstep.status': 'rolled_back' })
  const names = ['commit flight', 'commit hotel', 'rollback flight']
  expect(
    spans()
      .map(({ name }) => name)
      .sort(),
  ).toEqual([...names, 'saga traced@1'])
  for (const name of names)
    expect(named(name)[0]?.parentSpanContext?.spanId).toBe(whole?.spanContext().spanId)
  const flight = named('commit flight')[0]?.spanContext().spanId
  expect(inside).toEqual([flight, traceparent, flight])
  expect(named('commit hotel')[0]?.status).toEqual({ code: 2, message: 'RangeError' })
  expect(
    JSON.stringify(spans().map(({ attributes, status, events }) => [attributes, status, events])),
  ).not.toContain('secret')
})

test('after a restart a trace of its own links to the submitter', async () => {
  exporter.reset()
  const folder = mkdtempSync(join(tmpdir(), 'backstep-traces-'))
  const store = `sqlite:${join(folder, 'a.db')}`
  let ready = false
  const slow = saga('slow').step('one', {
    commit: () => (ready ? 1 : pending({ checkAfter: '20ms' })),
    rollback: () => {},
  })
  {
    await using first = await Orchestrator.open(store, { sagas: [slow], log: false })
    await first.submit(slow, undefined, { id: 'b', trace: traceparent })
  }
  ready = true
  await using second = await Orchestrator.open(store, { log: false, sagas: [] })
  instrument(second, { tracer })
  const handle = await second.submit(slow, undefined, { id: 'b' })
  expect(handle.created).toBe(false)
  await handle.outcome()
  const [whole] = named('saga slow@1')
  expect(whole?.spanContext().traceId).not.toBe(traceId)
  expect(whole?.links.map((link) => [link.context.traceId, link.context.spanId])).toEqual([
    [traceId, parentId],
  ])
  expect(named('commit one')[0]?.spanContext().traceId).toBe(whole?.spanContext().traceId)
  const [submitted] = (await second.journal('b')) ?? []
  expect(submitted).toMatchObject({ type: 'submitted', trace: traceparent })
  rmSync(folder, { recursive: true, force: true })
})

test('over HTTP the header is kept; one that is none is passed over; in the library it is refused', async () => {
  const service = await Service.start()
  const submit = (id: string, header: string) =>
    service.call('/v1/sagas', {
      body: { definition: 'trip', id, input: {} },
      headers: { traceparent: header },
    })
  await submit('t', traceparent)
  await submit('u', '00-nonsense')
  expect((await service.orchestrator.journal('t'))?.[0]).toMatchObject({ trace: traceparent })
  expect((await service.orchestrator.journal('u'))?.[0]).not.toHaveProperty('trace')
  const [trip] = service.orchestrator.definitions()
  if (!trip) throw new Error('no definition')
  for (const bad of ['x', `00-${'0'.repeat(32)}-${parentId}-01`, traceparent.toUpperCase()]) {
    await expect(service.orchestrator.submit(trip, {}, { trace: bad })).rejects.toThrow('no traceparent')
  }
  await service.stop()
})
