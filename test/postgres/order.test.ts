/** Order and keys over several processes, and many sagas that are due at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, pending, saga } from 'backstep'
import { afterEach, expect, test } from 'vitest'
import { overlaps } from '../support/ledger.js'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { desk, Fleet, jobs, judgeJobs, unfinished, until } from './fleet.js'

const orchestrators: Orchestrator[] = []
afterEach(async () => {
  await Promise.all(orchestrators.splice(0).map((orchestrator) => orchestrator.close({ drain: 0 })))
})

async function open(...args: Parameters<typeof Orchestrator.open>): Promise<Orchestrator> {
  const orchestrator = await Orchestrator.open(...args)
  orchestrators.push(orchestrator)
  return orchestrator
}

describePostgres('order', () => {
  test('scenario 39: random sagas over 50 keys from three processes, 16 at a time: sharers never overlap, others do, every one ends', async () => {
    const address = await freshSchema()
    await using fleet = new Fleet({ address, concurrency: 16 })
    await fleet.start(3)
    const { orchestrator } = await desk(address)
    orchestrators.push(orchestrator)
    let state = 39
    const random = () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
      return state / 2 ** 32
    }
    const all = jobs(300, () => ({
      keys: Array.from({ length: Math.floor(random() * 4) }, () => `k${Math.floor(random() * 50)}`),
      ms: Math.floor(random() * 12),
      fails: random() < 0.3,
    }))
    // From each process, in turn.
    let turn = 0
    for (const [id, input] of all) fleet.members[turn++ % 3]?.submit(id, input)
    const ended = async () => (await orchestrator.health()).counts
    await until(async () => {
      const { committed, rolled_back } = await ended()
      return committed + rolled_back === all.size
    })
    const lines = fleet.ledger.read()
    expect(await judgeJobs(orchestrator, all, lines)).toEqual([])
    const { wrong, most } = overlaps(lines, (id) => all.get(id)?.keys ?? null)
    expect(wrong).toEqual([])
    expect(most).toBeGreaterThan(8)
    expect(new Set(lines.map(({ pid }) => pid)).size).toBe(3)
    await fleet.end()
  })

  test('scenario 40: a saga is stuck in its rollback, in another process: sharers of its key wait visibly, others pass those that wait', async () => {
    const address = await freshSchema()
    interface Input {
      readonly keys: readonly string[]
    }
    const ran: string[] = []
    let isFixed = false
    const stuck = saga<Input>('stuck', { keys: ({ keys }) => keys, stuck: { attempts: 3 } })
      .step('one', {
        commit: () => 1,
        rollback: () => {
          if (!isFixed) throw new Error('cannot be undone')
        },
        rollbackRetry: { min: 50, max: 100 },
      })
      .step('two', { commit: () => Promise.reject(new Error('no')), rollback: () => {} })
    const fine = saga<Input>('fine', { keys: ({ keys }) => keys }).step('one', {
      commit: ({ sagaId }) => void ran.push(sagaId),
      rollback: () => {},
    })
    const first = await open(address, { sagas: [stuck], log: false })
    const second = await open(address, { sagas: [fine], log: false })
    await first.submit(stuck, { keys: ['red'] }, { id: 'X' })
    await until(async () => (await second.get('X'))?.stuck === true)
    const submit = (id: string, ...keys: string[]) => second.submit(fine, { keys }, { id })
    await submit('behind', 'red')
    await submit('both', 'red', 'blue')
    await submit('after-both', 'blue', 'green')
    await submit('blue', 'blue')
    await submit('none')
    await until(() => ran.length === 3)
    await sleep(500)
    expect(ran.toSorted()).toEqual(['after-both', 'blue', 'none'])
    expect(ran.indexOf('after-both')).toBeLessThan(ran.indexOf('blue'))
    for (const id of ['behind', 'both']) {
      const view = await first.get(id)
      expect(view).toMatchObject({ status: 'queued' })
      expect(view?.waitsFor[0]).toMatchObject({ id: 'X', key: 'red', stuck: true, stage: 'holding' })
    }
    expect((await first.health()).counts).toMatchObject({ stuck: 1, queued: 2 })
    isFixed = true
    await until(() => ran.length === 5)
    expect(ran.slice(3)).toEqual(['behind', 'both'])
  })

  test('scenario 42: 1,500 sagas due at once after an outage: so many at a time and no more, and new ones are not starved', async () => {
    const address = await freshSchema()
    const concurrency = 8
    let isBack = false
    let running = 0
    let most = 0
    const again = new Set<string>()
    const parked = saga<number>('parked', { keys: () => [] }).step('one', {
      commit: async ({ sagaId }) => {
        if (!isBack) return pending({ checkAfter: '2s' })
        most = Math.max(most, ++running)
        await sleep(20)
        running--
        again.add(sagaId)
        return undefined
      },
      rollback: () => {},
    })
    const fresh = saga<number>('fresh', { keys: () => [] }).step('one', {
      commit: () => performance.now(),
      rollback: () => {},
    })
    const ids = Array.from({ length: 1_500 }, (_, i) => `parked-${i}`)
    const before = await open(address, { sagas: [parked], log: false, concurrency: 256 })
    await Promise.all(ids.map((id, i) => before.submit(parked, i, { id })))
    await until(async () => {
      const { sagas } = await before.list({ name: 'parked', status: ['queued'], limit: 1 })
      return sagas.length === 0
    })
    await before.close()
    isBack = true
    await sleep(2_100)

    for (let i = 0; i < 2; i++) await open(address, { sagas: [parked, fresh], log: false, concurrency })
    const { orchestrator } = await desk(address)
    orchestrators.push(orchestrator)
    const waits: number[] = []
    while (again.size < 1_000) {
      const submitted = performance.now()
      const handle = await orchestrator.submit(fresh, waits.length)
      const outcome = await handle.outcome()
      waits.push(((outcome.status === 'committed' && outcome.outputs.one) || Number.NaN) - submitted)
    }
    // There was more of it when the last of the new ones began.
    expect(again.size).toBeLessThan(1_500)
    expect(waits.length).toBeGreaterThan(5)
    expect(Math.max(...waits)).toBeLessThan(1_000)
    await until(async () => (await unfinished(orchestrator)) === 0)
    expect(most).toBeLessThanOrEqual(2 * concurrency)
    expect(most).toBeGreaterThan(concurrency)
    expect(again.size).toBe(1_500)
  }, 60_000)
})
