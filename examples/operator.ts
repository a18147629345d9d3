/** A rollback that cannot work: it is retried for ever and raises the alarm, until somebody settles it by hand. */
import { Orchestrator, Rejected, saga } from 'backstep'

const rent = saga<{ car: string }>('rent-car', { stuck: { attempts: 3 } })
  .step('car', {
    commit: ({ input }) => input.car,
    rollback: () => {
      throw new Error('the rental office has burnt down')
    },
    rollbackRetry: { min: 10, max: 50 },
  })
  .step('insurance', {
    commit: () => {
      throw new Rejected('too young')
    },
    rollback: () => {},
  })

await using orchestrator = await Orchestrator.open({ sagas: [rent], log: false })

const stuck = new Promise<void>((resolve) => {
  const stop = orchestrator.on('stuck', ({ saga: { id }, step, failures, message }) => {
    console.log(`${id} is stuck: the rollback of ${step} failed ${failures} times: ${message}`)
    stop()
    resolve()
  })
})

const handle = await orchestrator.submit(rent, { car: 'beetle' }, { id: 'rental-1' })
await stuck

const view = await orchestrator.get('rental-1')
console.log(`status ${view?.status}, stuck ${view?.stuck}`)

await orchestrator.resolve('rental-1', 'car', {
  as: 'rolled_back',
  reason: 'the car was found',
  actor: 'ada',
})
const outcome = await handle.outcome()
console.log(`ended ${outcome.status}`)
