/**
 * Sagas over a SQLite file of which one operation fails: case after case, each on a file of its own, in one process that the shim
 * has been put in front of.
 *
 *   node --import ../power/pragmas.mjs child.mjs '{ "folder", "fault" }'   with a case a line on stdin; a verdict a line on stdout
 *
 * Invariants
 * - Whoever is refused does what its error says: opens again, submits again with the same id. Anything but a StoreError is wrong.
 * - What was answered is compared with the file by a connection that the product knows nothing of; what the steps did, by the ledger.
 */
import { mkdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, StoreError } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import Sqlite from 'better-sqlite3'
import { powerSaga } from '../power/saga.mjs'
import { FaultFile } from '../support/shim-fault.mjs'

const { folder, fault } = JSON.parse(process.argv[2])
const faults = new FaultFile(fault)
const patience = 10_000

class Run {
  lines = []
  wrong = []
  /** What callers were told: how often they were refused, and with which codes. */
  refusals = new Set()
  answers = {}

  constructor(file, { thread = false }) {
    this.file = file
    this.thread = thread
    this.definition = powerSaga({
      write: ({ sagaId: saga, step, attempt, idempotencyKey: key, token, ...rest }, outcome) => {
        const direction = 'commitKey' in rest ? 'rollback' : 'commit'
        this.lines.push({ saga, step, direction, attempt, key, token, pid: process.pid, outcome })
      },
    })
  }

  open() {
    const store = sqliteStore(this.file, { thread: this.thread })
    return this.insist('open', () => Orchestrator.open(store, { sagas: [this.definition], log: false }))
  }

  /** Tries again for as long as the store refuses. */
  async insist(what, action) {
    const began = performance.now()
    for (;;) {
      try {
        return await action()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        this.refusals.add(`${error.code}: ${error.message.split('\n')[0]} ${error.cause?.code ?? ''}`)
        if (performance.now() - began > patience)
          throw new Error(`${what} is refused for ever`, { cause: error })
        await sleep(5)
      }
    }
  }

  async one(orchestrator, id, input) {
    const handle = await this.insist(id, () => orchestrator.submit(this.definition, input, { id }))
    const { status } = await this.insist(id, () => handle.outcome())
    this.answers[id] = status
  }

  /** All of its work: three sagas that end in three ways, and what an operator does. */
  async work() {
    const orchestrator = await this.open()
    this.orchestrator = orchestrator
    const input = { keys: ['k'], fails: false, clumsy: 0, ms: 0, bulk: 'x'.repeat(3_000) }
    const looking = this.insist('list', () => orchestrator.list({ limit: 5 }))
    await Promise.all([
      this.one(orchestrator, 'good', input),
      this.one(orchestrator, 'bad', { ...input, keys: ['l'], fails: true, clumsy: 1 }),
      this.one(orchestrator, 'next', { ...input, bulk: '' }),
      looking,
    ])
    const seen = await this.insist('get', () => orchestrator.get('bad'))
    if (seen?.status !== 'rolled_back') this.wrong.push(`get says ${seen?.status}`)
    await orchestrator.close()
  }

  /** What the file says, read past the product. */
  compare() {
    const db = new Sqlite(this.file, { readonly: true })
    try {
      const damage = db.pragma('integrity_check', { simple: true })
      if (damage !== 'ok') this.wrong.push(`integrity: ${damage}`)
      const ends = db.prepare('SELECT id, status FROM sagas').all()
      const statuses = ['queued', 'running', 'rolling_back', 'committed', 'rolled_back']
      for (const [id, answer] of Object.entries(this.answers)) {
        const row = ends.find((end) => end.id === id)
        if (statuses[row?.status] !== answer)
          this.wrong.push(`${id} was said to be ${answer}, the file says ${statuses[row?.status]}`)
      }
    } finally {
      db.close()
    }
  }
}

async function hang() {
  await sleep(patience, undefined, { ref: false })
  throw new Error('it hangs')
}

async function runCase(name, { order, thread, companion }) {
  const place = join(folder, name)
  mkdirSync(place)
  const file = join(place, 'store.db')
  const run = new Run(file, { thread })
  let other
  if (companion) {
    // Another process would do the same: the file is open elsewhere, and so is never closed for good.
    await (await Orchestrator.open(sqliteStore(file, { thread: false }), { work: false, log: false })).close()
    other = new Sqlite(file)
    other.prepare('SELECT count(*) FROM sagas').get()
  }
  faults.order(order)
  try {
    await Promise.race([run.work(), hang()])
  } catch (error) {
    run.wrong.push(`${error.stack} ${error.cause ?? ''}`)
    faults.lift()
    await run.orchestrator?.close({ drain: 0 })
  }
  const { seen, failed } = faults
  faults.lift()
  other?.close()
  run.compare()
  return {
    name,
    file,
    seen,
    failed,
    wrong: run.wrong,
    refusals: [...run.refusals],
    answers: run.answers,
    lines: run.lines,
  }
}

process.on('unhandledRejection', (error) => {
  writeSync(2, `unhandled: ${error?.stack ?? error}\n`)
  process.exit(3)
})

for await (const line of createInterface(process.stdin)) {
  const { name, ...given } = JSON.parse(line)
  const verdict = await runCase(name, given)
  writeSync(1, `${JSON.stringify(verdict)}\n`)
}
process.exit()
