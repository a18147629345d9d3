/**
 * The test orchestrator: time moves when a test says so, and a crash leaves what was stored.
 */
import { none, type SagaHandle, saga } from 'backstep'
import { FakeClock, ProcessClock, TestOrchestrator } from 'backstep/testing'
import { expect, test } from 'vitest'

function letters() {
  const calls: string[] = []
  let fails = 2
  const mail = saga<{ to: string }>('mail')
    .step('write', {
      commit: ({ attempt }) => void calls.push(`write ${attempt}`),
      rollback: none('a draft'),
    })
    .step('send', {
      commit: ({ attempt }) => {
        calls.push(`send ${attempt}`)
        if (fails-- > 0) throw new Error('busy')
      },
      rollback: none('gone is gone'),
      retry: { attempts: 3, min: '1m', max: '1m' },
    })
  return { calls, mail }
}

test('submits resolve by themselves, waits last until the tick', async () => {
  const { calls, mail } = letters()
  await using test = await TestOrchestrator.open({ sagas: [mail] })
  const handle: SagaHandle<unknown> = await test.orchestrator.submit(mail, { to: 'ada' }, { id: 'm' })
  await test.tick('59s')
  expect(calls).toEqual(['write 1', 'send 1'])
  expect(await test.orchestrator.get('m')).toMatchObject({ status: 'running' })
  await test.tick('1s')
  expect(calls).toEqual(['write 1', 'send 1', 'send 2'])
  await test.tick('1m')
  expect(await handle.outcome()).toMatchObject({ status: 'committed' })
  expect(test.clock.monotonic()).toBe(120_000)
})

test('tick without a time jumps to the next thing that is due', async () => {
  const { calls, mail } = letters()
  await using test = await TestOrchestrator.open({ sagas: [mail] })
  await test.orchestrator.submit(mail, { to: 'ada' })
  for (let ticks = 0; calls.length < 4; ticks++) {
    if (ticks > 20) throw new Error(`only ${calls}`)
    await test.tick()
  }
})

test('run takes no time but the saga’s own', async () => {
  const { mail, calls } = letters()
  await using test = await TestOrchestrator.open({ sagas: [mail], seed: 3, now: Date.UTC(2030, 0, 1) })
  await test.run(mail, { to: 'ada' })
  expect(calls).toHaveLength(4)
  expect(test.clock.now()).toBe(Date.UTC(2030, 0, 1, 0, 2))
})

test('after a crash another process goes on with what was stored', async () => {
  const calls: string[] = []
  const slow = saga('slow', [
    {
      name: 'one',
      commit: async ({ attempt }) => {
        calls.push(`one ${attempt}`)
        if (attempt === 1) await new Promise(() => {})
      },
      rollback: () => {},
    },
  ])
  await using test = await TestOrchestrator.open({ sagas: [slow] })
  await test.orchestrator.submit(slow, undefined, { id: 's' })
  await test.tick('1s')
  await test.crash()
  await test.tick('1m')
  expect(calls).toEqual(['one 1', 'one 2'])
  expect(await test.orchestrator.get('s')).toMatchObject({ status: 'committed' })
})

test('another process may know other sagas', async () => {
  const { mail } = letters()
  await using test = await TestOrchestrator.open({ sagas: [mail] })
  await test.orchestrator.submit(mail, { to: 'ada' }, { id: 'm' })
  await test.tick('1s')
  await test.crash([])
  await test.tick('5m')
  expect(await test.orchestrator.get('m')).toMatchObject({ status: 'running', blocked: true })
})

test('closing leaves no timer', async () => {
  const { mail } = letters()
  const test = await TestOrchestrator.open({ sagas: [mail] })
  await test.orchestrator.submit(mail, { to: 'ada' })
  await test.tick('1s')
  await test.close()
  await test.close()
  expect(test.clock.timers).toBe(0)
  expect(() => test.orchestrator).toThrow('closed')
})

test('a misspelt option is refused', async () => {
  await expect(TestOrchestrator.open({ saga: [] } as never)).rejects.toThrow(
    /no option saga\n.*did you mean sagas/,
  )
})

test('a process clock ends with its process', async () => {
  const clock = new FakeClock()
  const own = new ProcessClock(clock, 3_600_000)
  const fired: string[] = []
  own.timer(10, () => fired.push('timer'))
  own.soon(() => fired.push('soon'))
  expect(own.now() - clock.now()).toBe(3_600_000)
  own.kill()
  own.timer(1, () => fired.push('after'))
  await clock.advance(100)
  expect(fired).toEqual([])
  expect(clock.timers).toBe(0)
  expect(own.isDead).toBe(true)
})

test('timers fire in order, at their time, whole ms', async () => {
  const clock = new FakeClock({ now: 0 })
  const fired: string[] = []
  const at = (what: string) => () => fired.push(`${what} ${clock.now()}`)
  clock.timer(20, at('b'))
  clock.timer(10.2, at('a'))
  clock.timer(20, at('c'))
  clock.timer(15, at('never')).cancel()
  clock.timer(2 ** 40, at('far'))
  await clock.advance(19)
  expect(fired).toEqual(['a 11'])
  await clock.advance(1)
  expect(fired).toEqual(['a 11', 'b 20', 'c 20'])
  await clock.next()
  expect(fired.at(-1)).toBe(`far ${2 ** 40}`)
  expect(() => clock.timer(Number.NaN, () => {})).toThrow('NaN')
})

test('time stands still for what happens outside of it', async () => {
  const clock = new FakeClock()
  const fired: string[] = []
  clock.timer(5, () => fired.push('timer'))
  void clock.during(new Promise<void>((resolve) => setTimeout(resolve, 20))).then(() => fired.push('outside'))
  await clock.advance(10)
  expect(fired).toEqual(['outside', 'timer'])
})
