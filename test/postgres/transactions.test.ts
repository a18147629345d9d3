/** Sagas submitted inside of transactions of the user's own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, saga } from 'backstep'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { judgeSaga, MemoryLedger, overlaps, startedOrder } from '../support/ledger.js'
import { describePostgres, freshSchema } from '../support/postgres.js'
import { desk, until } from './fleet.js'

interface Input {
  /** null: it overlaps with no other. */
  readonly keys: readonly string[] | null
  readonly ms?: number
}

function definitions(ledger: MemoryLedger) {
  const one = {
    commit: async (context: Parameters<MemoryLedger['write']>[0] & { readonly input: Input }) => {
      ledger.write(context, 'begun')
      await sleep(context.input.ms ?? 0)
      ledger.write(context, 'committed')
    },
    rollback: () => {},
  }
  const keyed = saga<Input>('keyed', { keys: ({ keys }) => keys ?? [] }).step('one', one)
  const serial = saga<Input>('serial').step('one', one)
  return { keyed, serial, of: ({ keys }: Input) => (keys ? keyed : serial) }
}

const clients: pg.Client[] = []
const orchestrators: Orchestrator[] = []
afterEach(async () => {
  await Promise.all(orchestrators.splice(0).map((orchestrator) => orchestrator.close()))
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

/** So many orchestrators on one place, and a way to clients that are in a transaction. */
async function place(count = 1) {
  const address = await freshSchema()
  const ledger = new MemoryLedger()
  const sagas = definitions(ledger)
  for (let i = 0; i < count; i++) {
    const both = [sagas.keyed, sagas.serial]
    orchestrators.push(await Orchestrator.open(address, { sagas: both, log: false, concurrency: 16 }))
  }
  const url = new URL(address)
  url.searchParams.delete('schema')
  const begin = async (isolation = 'READ COMMITTED') => {
    const client = new pg.Client(url.href)
    client.on('error', () => {})
    clients.push(client)
    await client.connect()
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
    return client
  }
  const orchestrator = orchestrators.at(-1) as Orchestrator
  const begun = (id: string) => ledger.lines.some(({ saga, outcome }) => saga === id && outcome === 'begun')
  return { address, ledger, sagas, begin, orchestrator, begun }
}

const keys = ['k']

describePostgres('transactions', () => {
  for (const isolation of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    test(`a saga submitted in a transaction exists exactly if that commits, and starts within moments: ${isolation}`, async () => {
      const { ledger, sagas, begin, orchestrator, begun } = await place()
      for (const [id, end] of [
        ['kept', 'COMMIT'],
        ['dropped', 'ROLLBACK'],
      ] as const) {
        const client = await begin(isolation)
        const handle = await orchestrator.submit(sagas.keyed, { keys: [id] }, { id, tx: client })
        expect(handle.id).toBe(id)
        await sleep(300)
        expect(await orchestrator.get(id)).toBeUndefined()
        expect(begun(id)).toBe(false)
        const ended = performance.now()
        await client.query(end)
        if (end === 'COMMIT') {
          await until(() => begun(id))
          // Told by the commit itself; a poll alone would take up to 200 ms. (The machine may be busy.)
          expect(performance.now() - ended).toBeLessThan(500)
          expect(await handle.outcome()).toEqual({ status: 'committed', outputs: {} })
          expect(await judgeSaga(orchestrator, id, ledger.lines)).toEqual([])
        } else {
          await sleep(500)
          expect(await orchestrator.get(id)).toBeUndefined()
          await expect(handle.outcome()).rejects.toMatchObject({ code: 'NOT_FOUND' })
          expect(begun(id)).toBe(false)
        }
      }
    })
  }

  test('the same id again, in the same transaction, in another, and without one: the same saga; other input: a conflict', async () => {
    const { ledger, sagas, begin, orchestrator } = await place()
    const client = await begin()
    const submit = (input: Input, tx?: pg.Client) =>
      orchestrator.submit(sagas.keyed, input, { id: 'a', ...(tx ? { tx } : {}) })
    await submit({ keys }, client)
    await submit({ keys }, client)
    await expect(submit({ keys: ['other'] }, client)).rejects.toMatchObject({ code: 'CONFLICT' })
    // A conflict is an answer, not an error of the database: the transaction is as good as before.
    await client.query('COMMIT')
    const second = await begin()
    const again = await submit({ keys }, second)
    await expect(submit({ keys: ['other'] }, second)).rejects.toMatchObject({ code: 'CONFLICT' })
    await second.query('COMMIT')
    const outside = await submit({ keys })
    await expect(submit({ keys: ['other'] })).rejects.toMatchObject({ code: 'CONFLICT' })
    for (const handle of [again, outside])
      expect(await handle.outcome()).toMatchObject({ status: 'committed' })
    expect(startedOrder(ledger.lines)).toEqual(['a'])
    expect(ledger.lines).toHaveLength(2)
    // Also a tombstone is found.
    expect(await orchestrator.prune({ olderThan: 0 })).toBe(1)
    const third = await begin()
    const pruned = await submit({ keys }, third)
    await expect(submit({ keys: ['other'] }, third)).rejects.toMatchObject({ code: 'CONFLICT' })
    await third.query('COMMIT')
    expect(await pruned.outcome()).toMatchObject({ status: 'committed' })
    expect(ledger.lines).toHaveLength(2)
  })

  test('in a transaction that has failed, the submit fails with what the database says, and nothing is stored', async () => {
    const { sagas, begin, orchestrator } = await place()
    const client = await begin()
    await expect(client.query('SELECT 1 / 0')).rejects.toThrow(/division/)
    await expect(orchestrator.submit(sagas.keyed, { keys }, { id: 'a', tx: client })).rejects.toThrow(
      /transaction is aborted/,
    )
    await client.query('COMMIT')
    expect(await orchestrator.get('a')).toBeUndefined()
    // And a client whose connection is gone.
    const gone = await begin()
    await gone.end()
    clients.splice(clients.indexOf(gone), 1)
    await expect(orchestrator.submit(sagas.keyed, { keys }, { id: 'a', tx: gone })).rejects.toThrow()
  })

  test('an id that an open transaction has taken: who submits it, too, waits for its end or is told so, and nobody else is held up', async () => {
    const { sagas, begin, orchestrator, begun } = await place(2)
    const [other] = orchestrators
    const client = await begin()
    await orchestrator.submit(sagas.keyed, { keys: ['a'] }, { id: 'a', tx: client })
    const same = () => orchestrator.submit(sagas.keyed, { keys: ['a'] }, { id: 'a' })
    let isOpen = true
    const told: unknown[] = []
    const again = (async () => {
      for (;;) {
        const handle = await same().catch((error: unknown) => void told.push(error))
        if (handle) return { handle, early: isOpen }
        await sleep(50)
      }
    })()
    await sleep(100)
    for (let i = 0; i < 5; i++) {
      const asked = performance.now()
      await other?.run(sagas.keyed, { keys: [`b${i}`] }, { id: `b${i}` })
      expect(performance.now() - asked).toBeLessThan(1_000)
    }
    expect(begun('a')).toBe(false)
    isOpen = false
    await client.query('COMMIT')
    const { handle, early } = await again
    expect(early).toBe(false)
    expect(await handle.outcome()).toMatchObject({ status: 'committed' })
    for (const error of told) expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  }, 60_000)

  test('scenario 38: numbers that become visible out of order: two open transactions, committed in reverse, do not overlap', async () => {
    const { ledger, sagas, begin, orchestrator, begun } = await place(2)
    const inputs: Input[] = [
      { keys, ms: 200 },
      { keys: null, ms: 200 },
    ]
    const pairs = inputs.flatMap((a) => inputs.map((b) => [a, b] as const))
    const keysOf = new Map<string, readonly string[] | null>()
    for (const [round, [a, b]] of pairs.entries()) {
      const ids = [`first-${round}`, `second-${round}`] as const
      const [first, second] = [await begin(), await begin()]
      await orchestrator.submit(sagas.of(a), a, { id: ids[0], tx: first })
      await orchestrator.submit(sagas.of(b), b, { id: ids[1], tx: second })
      keysOf.set(ids[0], a.keys).set(ids[1], b.keys)
      await second.query('COMMIT')
      await until(() => begun(ids[1]))
      // The one with the lower number appears while the other one runs.
      await first.query('COMMIT')
      await until(async () => (await orchestrator.get(ids[0]))?.status === 'committed')
      expect(startedOrder(ledger.lines).slice(-2)).toEqual([ids[1], ids[0]])
    }
    expect(overlaps(ledger.lines, (id) => keysOf.get(id) ?? null).wrong).toEqual([])
  })

  test('scenario 38: 120 sagas in random transactions, committed in random order or rolled back: none overlaps, each runs once or never', async () => {
    const { address, ledger, sagas, begin } = await place(3)
    const users = new Users(seeded(38), begin)
    const inputs = new Map<string, Input>()
    for (let i = 0; i < 120; i++) {
      const id = `saga-${i}`
      const input = users.input()
      inputs.set(id, input)
      const from = orchestrators[i % 3] as Orchestrator
      await users.submit(id, (options) => from.submit(sagas.of(input), input, options))
      await users.endSome()
    }
    await users.endAll()
    const { kept, dropped } = users
    const { orchestrator: reader } = await desk(address)
    orchestrators.push(reader)
    await until(async () => (await reader.health()).counts.committed === kept.length)
    expect(users.reversed).toBeGreaterThan(10)
    expect(dropped.length).toBeGreaterThan(10)
    const { wrong, most } = overlaps(ledger.lines, (id) => inputs.get(id)?.keys ?? null)
    expect(wrong).toEqual([])
    expect(most).toBeGreaterThan(1)
    expect(startedOrder(ledger.lines).toSorted()).toEqual(kept.toSorted())
    const broken = await Promise.all(kept.map((id) => judgeSaga(reader, id, ledger.lines)))
    expect(broken.flat()).toEqual([])
    for (const id of dropped) expect(await reader.get(id)).toBeUndefined()
  })
})

/** Up to eight transactions at once, whose ends come in random order. */
class Users {
  readonly kept: string[] = []
  readonly dropped: string[] = []
  /** How many ended before one that had begun before them. */
  reversed = 0
  readonly #random: () => number
  readonly #begin: () => Promise<pg.Client>
  readonly #open: { readonly client: pg.Client; readonly ids: string[] }[] = []

  constructor(random: () => number, begin: () => Promise<pg.Client>) {
    this.#random = random
    this.#begin = begin
  }

  input(): Input {
    const key = () => `k${Math.floor(this.#random() * 6)}`
    return { keys: this.#random() < 0.15 ? null : [key(), key()], ms: Math.floor(this.#random() * 8) }
  }

  /** In one of the transactions; now and then in none. */
  async submit(
    id: string,
    submit: (options: { id: string; tx?: pg.Client }) => Promise<unknown>,
  ): Promise<void> {
    if (this.#open.length < 8) this.#open.push({ client: await this.#begin(), ids: [] })
    const chosen =
      this.#random() < 0.25 ? undefined : this.#open[Math.floor(this.#random() * this.#open.length)]
    await submit(chosen ? { id, tx: chosen.client } : { id })
    ;(chosen?.ids ?? this.kept).push(id)
  }

  async endSome(): Promise<void> {
    if (this.#open.length === 8 && this.#random() < 0.5) await this.#end(Math.floor(this.#random() * 8))
  }

  async endAll(): Promise<void> {
    while (this.#open.length > 0) await this.#end(this.#open.length - 1)
  }

  async #end(index: number): Promise<void> {
    const [ended] = this.#open.splice(index, 1)
    if (!ended) return
    if (index > 0) this.reversed++
    const keeps = this.#random() < 0.7
    await ended.client.query(keeps ? 'COMMIT' : 'ROLLBACK')
    const ends = keeps ? this.kept : this.dropped
    ends.push(...ended.ids)
  }
}

/** In [0, 1), the same each time. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}
