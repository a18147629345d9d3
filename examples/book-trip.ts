/** A trip is a flight, a hotel and a payment: all of them, or none. */
import { Orchestrator, Rejected, type SagaRolledBackError, saga } from 'backstep'

interface Trip {
  readonly to: string
  readonly budget: number
}

const booked = new Set<string>()

const bookTrip = saga<Trip>('book-trip')
  .step('flight', {
    commit: ({ input, idempotencyKey }) => {
      booked.add(`flight to ${input.to}`)
      return { ticket: idempotencyKey.slice(-13), price: 180 }
    },
    rollback: ({ input }) => void booked.delete(`flight to ${input.to}`),
    timeout: '2s',
  })
  .step('hotel', {
    commit: ({ input }) => {
      booked.add(`hotel in ${input.to}`)
      return { price: 240 }
    },
    rollback: ({ input }) => void booked.delete(`hotel in ${input.to}`),
  })
  .step('payment', {
    commit: ({ input, outputs }) => {
      const total = outputs.flight.price + outputs.hotel.price
      if (total > input.budget) throw new Rejected(`${total} is more than ${input.budget}`)
      return { total }
    },
    rollback: () => {},
  })

await using orchestrator = await Orchestrator.open('memory:', { sagas: [bookTrip], log: false })

const trip = await orchestrator.run(bookTrip, { to: 'Lisbon', budget: 500 })
console.log(`paid ${trip.payment.total}; booked: ${[...booked].join(', ')}`)

booked.clear()
try {
  await orchestrator.run(bookTrip, { to: 'Tokyo', budget: 400 })
} catch (error) {
  const { reason, step, rolledBack } = error as SagaRolledBackError
  console.log(
    `${step} ${reason}; rolled back: ${rolledBack.join(', ')}; booked: ${[...booked].join(', ') || 'nothing'}`,
  )
}
