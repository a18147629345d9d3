/**
 * What runs while the power may go: orchestrators over one SQLite file, in a process whose file operations are recorded.
 *
 *   node --import ./pragmas.mjs child.mjs '{ "folder", "life", "sagas", "before", "bulk" }'
 *
 * In its first life it has two orchestrators on the file, one in a thread and one inline, and is killed in the middle. In the second
 * it goes on with what was left, submits as many again, steps in, prunes, closes and opens again.
 *
 * Invariant
 * - Whatever it was told (a saga is stored, it has ended, a cancel was heard) or did (a step began, took effect) is a line of the
 *   ledger, written before it does anything else: so the tape says by its order what had been promised when the power went.
 */
import { openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Orchestrator, StoreError } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import Sqlite from 'better-sqlite3'
import { LedgerFile } from '../support/ledger-file.mjs'
import { powerSaga } from './saga.mjs'

const { folder, life, sagas, before, bulk } = JSON.parse(process.argv[2])
const file = join(folder, 'store.db')
const ledger = join(folder, 'ledger')
const book = new LedgerFile(ledger, { sync: false })
const definition = powerSaga(book)

const told = openSync(ledger, 'a')

const tell = (line) => writeSync(told, `${JSON.stringify(line)}\n`)
const open = (thread) => {
  const store = sqliteStore(file, { thread })
  return insist(() => Orchestrator.open(store, { sagas: [definition], log: false }))
}

/** Where the disk fails, too: whoever is refused tries again. */
async function insist(action) {
  for (let left = 50; ; left--) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof StoreError) || left === 0) throw error
      await sleep(10)
    }
  }
}

async function follow(handle) {
  const { status } = await handle.outcome()
  tell({ answered: handle.id, status })
}

/** Submits one, and resolves at its end. */
async function run(orchestrator, i) {
  const id = `${life}-${i}`
  const input = {
    keys: [`k${i % 7}`, `l${i % 3}`],
    fails: i % 3 === 1,
    clumsy: i % 4 === 1 ? 3 : 0,
    ms: i % 5,
    // Some rows need pages of their own.
    bulk: i % 6 === 2 ? 'x'.repeat(bulk) : '',
  }
  const handle = await insist(() => orchestrator.submit(definition, input, { id }))
  tell({ acknowledged: id })
  if (i % 8 === 5) await cancel(orchestrator, id)
  await follow(handle)
}

async function cancel(orchestrator, id) {
  try {
    await insist(() => orchestrator.cancel(id, 'changed my mind'))
    tell({ cancelled: id })
  } catch (error) {
    if (error.code !== 'ENDED') throw error
  }
}

const numbers = Array.from({ length: sagas }, (_, i) => i)
const all = (orchestrators, work) =>
  Promise.all(numbers.map((i) => work(orchestrators[i % orchestrators.length], i)))

if (life === 1) {
  const both = [await open(true), await open(false)]
  let ended = 0
  await all(both, async (orchestrator, i) => {
    await run(orchestrator, i)
    if (++ended === Math.ceil(sagas * 0.7)) process.kill(process.pid, 'SIGKILL')
  })
} else {
  const first = await open(true)
  await all([first], run)
  // What is pruned is gone: the test keeps what it was.
  const raw = new Sqlite(file, { readonly: true })
  const rows = raw.prepare('SELECT n, seq, at, entries FROM journal').all()
  raw.close()
  writeFileSync(before, JSON.stringify(rows))
  tell({ pruning: true })
  await insist(() => first.prune({ olderThan: 0, limit: Math.floor(sagas / 2) }))
  await first.close()
  const second = await open(false)
  for (const i of numbers.slice(0, 4)) await run(second, sagas + i)
  await second.close()
}
