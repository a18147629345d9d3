/**
 * An order uses what a saga can: a parallel group, a condition, a commit that takes its time, a pivot after which there is no way back,
 * and a step behind it that is tried until it works.
 */
import { none, Orchestrator, pending, saga, step } from 'backstep'

interface Order {
  readonly item: string
  readonly gift: boolean
}

let polls = 0
let mailFailures = 2

const placeOrder = saga<Order>('place-order', { deadline: '1h' })
  .parallel({
    stock: step({
      commit: ({ input }: { input: Order }) => ({ shelf: `A-${input.item.length}` }),
      rollback: () => {},
    }),
    credit: step({ commit: () => ({ score: 720 }), rollback: none('it only looks') }),
  })
  .step('wrapping', {
    when: ({ input }) => input.gift,
    commit: () => 'red paper',
    rollback: () => {},
  })
  .step('label', {
    // The carrier needs a moment: nothing is held in memory until it is asked again.
    commit: ({ idempotencyKey }) =>
      polls++ < 2 ? pending({ checkAfter: 20 }) : { parcel: idempotencyKey.length },
    rollback: () => {},
  })
  .step('charge', { commit: () => ({ charged: true }), rollback: () => {}, pivot: true })
  .step('mail', {
    commit: ({ attempt }) => {
      if (mailFailures-- > 0) throw new Error('the mail server is down')
      return { sentOn: attempt }
    },
    retry: { min: 10 },
  })

await using orchestrator = await Orchestrator.open({ sagas: [placeOrder], log: false })

const plain = await orchestrator.run(placeOrder, { item: 'kettle', gift: false })
console.log(
  `shelf ${plain.stock.shelf}, wrapping: ${plain.wrapping ?? 'none'}, mail sent on attempt ${plain.mail.sentOn}`,
)

const handle = await orchestrator.submit(placeOrder, { item: 'teapot', gift: true }, { id: 'order-2' })
const outcome = await handle.outcome()
console.log(`order-2: ${outcome.status}`)
for (const { type, ...entry } of (await orchestrator.journal('order-2')) ?? []) {
  if ('step' in entry && type !== 'started') console.log(`  ${entry.step} ${type}`)
}
