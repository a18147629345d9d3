/**
 * One of several processes on one store. It says `ready`, waits for a line, does its part, and prints one JSON line.
 *
 *   node child.mjs '{ "mode": "same-id" | "serial" | "keyed" | "read", "address", "ledger", "name", "count" }'
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Orchestrator, saga } from 'backstep'
import { LedgerFile } from '../support/ledger-file.mjs'

const { mode, address, ledger, name, count = 0 } = JSON.parse(process.argv[2])
const book = new LedgerFile(ledger, { sync: false })

const commit = (context) => {
  book.write(context, 'begun')
  book.write(context, 'committed')
  return { by: process.pid, ticket: randomUUID() }
}
const rollback = (context) => {
  book.write(context, 'begun')
  book.write(context, 'rolled_back')
}
const refuses = (context) => {
  book.write(context, 'begun')
  if (context.input % 5 !== 0) {
    book.write(context, 'committed')
    return 1
  }
  book.write(context, 'rejected')
  throw new Error('no')
}

const serial = saga('serial').step('one', { commit, rollback })
const keyed = saga('keyed', { keys: (n) => [`k${n % 7}`, `k${n % 3}`] })
  .step('one', { commit, rollback })
  .step('two', { commit: refuses, rollback })

const orchestrator = await Orchestrator.open(address, {
  sagas: [serial, keyed],
  work: mode !== 'read',
  log: false,
})
process.stdout.write('ready\n')
await once(process.stdin, 'data')
process.stdin.destroy()

const tried = (promise) =>
  promise.then(
    (value) => value,
    (error) => ({ code: error.code, message: error.message }),
  )

/** All at once: one saga, and as many equal answers. */
async function sameId() {
  const submits = Array.from({ length: count }, () =>
    tried(orchestrator.run(serial, { same: 1 }, { id: 'one-id' })),
  )
  const conflicts = Array.from({ length: 10 }, () =>
    tried(orchestrator.submit(serial, { other: 1 }, { id: 'one-id' })),
  )
  const other = tried(orchestrator.submit(keyed, 1, { id: 'one-id' }))
  return { answers: await Promise.all(submits), conflicts: await Promise.all([...conflicts, other]) }
}

/** One after the other, each submit awaited; returns how each ended. */
async function each(definition) {
  const handles = []
  for (let n = 0; n < count; n++)
    handles.push(await orchestrator.submit(definition, n, { id: `${name}-${n}` }))
  const ends = await Promise.all(handles.map((handle) => tried(handle.outcome())))
  return { ends: ends.map((end) => end.status ?? end) }
}

/** As a command line would: looks at everything, and cancels now and then, until there is nothing more to see. */
async function read() {
  const errors = []
  const look = async (promise, allowed) => {
    const seen = await tried(promise)
    if (seen?.code && seen.code !== allowed) errors.push(seen)
    return seen
  }
  let looks = 0
  for (let quiet = 0; quiet < 3; looks++) {
    const { sagas = [] } = await look(orchestrator.list({ limit: 1000 }))
    const unfinished = sagas.filter(({ endedAt }) => endedAt === null)
    for (const { id } of unfinished.slice(0, 3)) {
      await look(orchestrator.get(id))
      if (looks % 5 === 0) await look(orchestrator.cancel(id, 'by hand'), 'ENDED')
    }
    await look(orchestrator.health())
    quiet = unfinished.length === 0 ? quiet + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  return { looks, errors }
}

const modes = { 'same-id': sameId, serial: () => each(serial), keyed: () => each(keyed), read }
const result = await modes[mode]()
await orchestrator.close()
process.stdout.write(`${JSON.stringify(result)}\n`)
