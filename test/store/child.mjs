/**
 * A process of its own on one store file. Told what to do by its arguments; says what it did as lines of JSON.
 *
 *   hold PATH N         joins, starts N sagas, says so, and waits to be killed
 *   work PATH NAME LOG  joins, claims and ends sagas until there are none; each start and end is a line in LOG
 *   submit PATH NAME N  submits N sagas that wait, one after another
 *   same PATH ID UID    submits one id, once
 *   idle PATH           opens, writes one saga, and lets the process end by itself
 */
import { appendFileSync } from 'node:fs'
import { sqliteStore } from '#dist/stores/sqlite/index.js'

const [what, path, ...rest] = process.argv.slice(2)
const store = sqliteStore(path)
await store.open()
const trip = { name: 'trip', version: '1', shape: 'flight > hotel > payment!' }
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
const summary = { status: 'running', stage: 'holding', stuck: false, late: false, dueIn: null }

function submission(id, keys, start) {
  const uid = `uid-${id}`
  const entries = [{ type: 'submitted', uid, input: null, keys }]
  return {
    type: 'submit',
    id,
    uid,
    definition: trip,
    keys,
    deadline: null,
    at: Date.now(),
    entries,
    ...(start ? { start } : {}),
  }
}

async function hold(count) {
  const worker = `holder-${process.pid}`
  await store.apply([{ type: 'join', worker, lease: 600_000, offers: [trip] }])
  const start = { worker, entries: [], summary }
  const results = await store.apply(
    Array.from({ length: count }, (_, i) => submission(`held-${i}`, [`k${i}`], start)),
  )
  say({ held: results.filter(({ token }) => token).length })
  setInterval(() => {}, 1_000)
}

async function work(name, log) {
  await store.apply([{ type: 'join', worker: name, lease: 600_000, offers: [trip] }])
  let done = 0
  for (let idle = 0; idle < 40; ) {
    const [{ sagas }] = await store.apply([{ type: 'claim', worker: name, limit: 4 }])
    idle = sagas.length > 0 ? 0 : idle + 1
    if (sagas.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    for (const { saga } of sagas) appendFileSync(log, `start ${saga.n}\n`)
    await new Promise((resolve) => setTimeout(resolve, 1))
    for (const { saga, token } of sagas) {
      const { keys } = saga.chunks[0].entries[0]
      appendFileSync(log, `end ${saga.n}\n`)
      const end = { ...summary, status: 'committed', stage: 'done' }
      const entries = [{ type: 'ended', status: 'committed' }]
      const write = {
        type: 'append',
        n: saga.n,
        token,
        seq: 1,
        at: Date.now(),
        entries,
        replace: false,
        summary: end,
        keys,
      }
      const [{ type }] = await store.apply([write])
      if (type !== 'applied') throw new Error(`the end of ${saga.n} was answered ${type}`)
      done++
    }
  }
  await store.apply([{ type: 'leave', worker: name }])
  say({ done })
}

async function submit(name, count) {
  for (let i = 0; i < count; i++) {
    const keys = i % 10 === 0 ? null : [`k${i % 7}`, `k${(i * 3) % 5}`].slice(0, 1 + (i % 2))
    const [{ type }] = await store.apply([submission(`${name}-${i}`, keys && [...new Set(keys)])])
    if (type !== 'applied') throw new Error(type)
  }
  say({ submitted: count })
}

if (what === 'hold') await hold(Number(rest[0]))
if (what === 'work') await work(rest[0], rest[1])
if (what === 'submit') await submit(rest[0], Number(rest[1]))
if (what === 'same') say((await store.apply([{ ...submission(rest[0], []), uid: rest[1] }]))[0])
if (what === 'idle') {
  await store.apply([submission('idle', [])])
  say({ idle: true })
} else if (what !== 'hold') await store.close()
