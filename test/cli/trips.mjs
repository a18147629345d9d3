/**
 * A process that runs sagas, for the command line to work beside: `node trips.mjs FILE [version]`.
 *
 * It is told what to do on stdin, a line of JSON each, and answers each with a line: { submit: definition, id, input },
 * { until: status or flag, id }, { close: true }. What a step does is said by the saga's input: commit and rollback, by step.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { InDoubt, Orchestrator, pending, Rejected, saga } from 'backstep'

const [file, version = '1'] = process.argv.slice(2)

const commits = {
  book: (name) => ({ id: `${name}-1` }),
  refuse: (name) => {
    throw new Rejected(`${name} is sold out`)
  },
  doubt: (name) => {
    throw new InDoubt(`${name} hung up`)
  },
  wait: () => pending({ checkAfter: '40s' }),
  hang: (_, { signal }) => sleep(60_000, undefined, { signal }),
  /** An error that tries to drive the terminal. */
  paint: () => {
    throw new Rejected('\u001b[31mred\u001b[0m\u0007 \u009b2J \u202eevil\nsecond line')
  },
}

const rollbacks = {
  undo: () => {},
  fail: (name) => {
    throw new Error(`${name} answers 503`)
  },
}

/** Long waits, so that a test sees the saga waiting; an operator's retry ends them. */
const retry = { min: 30_000, max: 60_000 }

const step = (name, options = {}) => ({
  commit: (context) => commits[context.input.commit?.[name] ?? 'book'](name, context),
  rollback: (context) => rollbacks[context.input.rollback?.[name] ?? 'undo'](name, context),
  timeout: '90s',
  rollbackRetry: retry,
  ...options,
})

const options = { version, keys: ({ keys = [] }) => keys, stuck: { attempts: 1 } }
const definitions = {
  trip: saga('trip', options)
    .step('flight', step('flight'))
    .parallel({ hotel: step('hotel'), car: step('car') })
    .step('payment', step('payment', { retry: { attempts: 2, ...retry } })),
  line: saga('line', options).step('first', step('first')).step('last', step('last')),
  alone: saga('alone', { version }).step('only', step('only')),
}

const orchestrator = await Orchestrator.open(`sqlite:${file}`, {
  sagas: Object.values(definitions),
  log: false,
})

async function obey({ submit, id, input = {}, until, close }) {
  if (close) return orchestrator.close({ drain: 0 })
  if (submit) return (await orchestrator.submit(definitions[submit], input, { id })).id
  for (;;) {
    const view = await orchestrator.get(id)
    if (view.status === until || view[until] === true) return view.status
    await sleep(10)
  }
}

console.log(JSON.stringify({ pid: process.pid }))
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  console.log(JSON.stringify((await obey(order)) ?? null))
  if (order.close) break
}
