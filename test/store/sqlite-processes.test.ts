/**
 * Several processes on one file, for real: child processes, SIGKILL, and a ledger outside of the store.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { Desk, trip } from '#dist/testing/store-suite/desk.js'
import { newPath, openStore } from './sqlite-place.js'

const script = fileURLToPath(new URL('./child.mjs', import.meta.url))
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

interface Child {
  readonly process: ChildProcess
  /** Its first line. */
  readonly said: Promise<Record<string, unknown>>
  readonly ended: Promise<unknown>
}

function run(...args: string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  const ended = once(child, 'exit').then(([code, signal]) => {
    children.delete(child)
    return signal ?? code
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const said = Promise.race([
    once(lines, 'line').then(([line]) => JSON.parse(line) as Record<string, unknown>),
    ended.then((code) => Promise.reject(new Error(`the child ended with ${code} and said nothing`))),
  ])
  return { process: child, said, ended }
}

const sideFiles = (path: string) =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}-worker`))

describe('scenario 17: a killed process', () => {
  it('is taken over at once, though its lease runs for ten minutes', async () => {
    const path = await newPath()
    const child = run('hold', path, '2000')
    expect(await child.said).toEqual({ held: 2_000 })
    const store = await openStore(path, {})
    const desk = new Desk(store)
    await desk.join('heir')
    expect(await desk.claim('heir', 256)).toEqual([])
    expect((await store.health()).workers.map(({ alive }) => alive)).toEqual([true, true])

    child.process.kill('SIGKILL')
    await child.ended
    const from = performance.now()
    let claimed = 0
    while (claimed === 0 && performance.now() - from < 5_000) claimed = (await desk.claim('heir', 256)).length
    expect(claimed).toBe(256)
    expect(performance.now() - from).toBeLessThan(1_500)

    while (claimed < 2_000) claimed += (await desk.claim('heir', 256)).length
    expect(await desk.claim('heir', 256)).toEqual([])
    expect((await store.health()).workers.map(({ worker }) => worker)).toEqual(['heir'])
    expect(sideFiles(path)).toHaveLength(1)
  })

  it('is found dead by whoever opens the file next, at the first claim', async () => {
    const path = await newPath()
    const child = run('hold', path, '10')
    await child.said
    child.process.kill('SIGKILL')
    await child.ended
    const desk = new Desk(await openStore(path))
    expect(await desk.store.list({ order: 'newest', limit: 1 })).toMatchObject([{ blocked: true }])
    await desk.join('heir')
    expect(await desk.claim('heir')).toHaveLength(10)
  })

  it('leaves its side file to the next worker, which removes it', async () => {
    const path = await newPath()
    const child = run('hold', path, '0')
    await child.said
    expect(sideFiles(path)).toHaveLength(1)
    child.process.kill('SIGKILL')
    await child.ended
    const store = await openStore(path)
    await new Desk(store).join('heir')
    expect(sideFiles(path)).toHaveLength(1)
    await store.close()
    expect(sideFiles(path)).toEqual([])
  })
})

describe('scenario 27, 38, 39: processes on one file', () => {
  it('two submit and three run: no overlap on a key, every saga once, no SQLITE_BUSY', async () => {
    const path = await newPath()
    const log = join(dirname(path), 'ledger')
    writeFileSync(log, '')
    const store = await openStore(path, {})
    await new Desk(store).join('here', [trip])
    const sagas = 120
    const all = [
      run('submit', path, 'a', String(sagas)),
      run('submit', path, 'b', String(sagas)),
      ...['u', 'v', 'w'].map((name) => run('work', path, name, log)),
    ]
    const said = await Promise.all(all.map((child) => child.said))
    expect(await Promise.all(all.map((child) => child.ended))).toEqual([0, 0, 0, 0, 0])
    expect(said.slice(0, 2)).toEqual([{ submitted: sagas }, { submitted: sagas }])
    const keys = new Map<number, readonly string[] | null>()
    for (const { n } of await store.list({ order: 'oldest', limit: 1_000 })) {
      const found = await store.find({ n })
      const entry = found && 'chunks' in found ? found.chunks[0]?.entries[0] : undefined
      if (entry?.type === 'submitted') keys.set(n, entry.keys)
    }
    expect(keys.size).toBe(2 * sagas)
    expect(judge(readFileSync(log, 'utf8'), keys)).toEqual({ ended: 2 * sagas, overlaps: [] })
  }, 60_000)

  it('scenario 15: one id from many processes at once is one saga', async () => {
    const path = await newPath()
    await openStore(path)
    const children = Array.from({ length: 4 }, (_, i) =>
      run('same', path, 'order-7', i < 3 ? 'mine' : 'other'),
    )
    const said = await Promise.all(children.map((child) => child.said))
    const numbers = said.filter(({ type }) => type === 'applied')
    const conflicts = said.filter(({ type }) => type === 'conflict')
    expect([numbers.length, conflicts.length]).toSatisfy(
      ([a, b]: [number, number]) => (a === 3 && b === 1) || (a === 1 && b === 3),
    )
    expect(new Set(numbers.map(({ n }) => n)).size).toBe(1)
  })
})

describe('a script that only opens a store', () => {
  it('ends by itself: an idle store keeps no process alive', async () => {
    const path = await newPath()
    const child = run('idle', path)
    expect(await child.said).toEqual({ idle: true })
    expect(await child.ended).toBe(0)
    expect(existsSync(path)).toBe(true)
    expect(await (await openStore(path)).find({ id: 'idle' })).toMatchObject({ status: 'queued' })
  })

  it('may be given as text: its flags are not for the thread', async () => {
    const path = await newPath()
    const text = `import { Orchestrator } from 'backstep'
      const orchestrator = await Orchestrator.open(process.argv[1])
      console.log((await orchestrator.health()).counts.queued)
      await orchestrator.close()`
    const flags = ['--input-type=module', '--eval', text, `sqlite:${path}`]
    const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' })
    expect([status, stdout, stderr]).toEqual([0, '0\n', ''])
  })
})

/** Reads the ledger: who held at the same time as somebody with whom he shares a key. */
function judge(
  ledger: string,
  keys: ReadonlyMap<number, readonly string[] | null>,
): { ended: number; overlaps: number[][] } {
  const holding = new Set<number>()
  const overlaps: number[][] = []
  let ended = 0
  const conflict = (a: number, b: number) => {
    const [mine, theirs] = [keys.get(a), keys.get(b)]
    return !mine || !theirs || mine.some((key) => theirs.includes(key))
  }
  for (const line of ledger.trim().split('\n')) {
    const [what, number] = line.split(' ')
    const n = Number(number)
    if (what === 'start') {
      for (const other of holding) if (conflict(n, other)) overlaps.push([n, other])
      holding.add(n)
    } else if (holding.delete(n)) ended++
  }
  return { ended, overlaps }
}
