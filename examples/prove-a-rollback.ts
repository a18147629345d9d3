/** A saga with a subtle bug: `explore` finds the shortest history that shows it, and holds in all of them once it is mended. */
import { saga } from 'backstep'
import { ExplorationError, explore } from 'backstep/testing'

/** The airline, as a test has it: what is booked, by the key of the commit. */
class Airline {
  readonly seats = new Map<string, string>()
}

const bookTrip = (airline: Airline) =>
  saga<{ to: string }>('book-trip')
    .step('flight', {
      commit: ({ input, idempotencyKey }) => {
        airline.seats.set(idempotencyKey, input.to)
        return { seat: idempotencyKey }
      },
      // Looks right: without an output nothing was booked, so there is nothing to undo. Or was there?
      rollback: ({ output }) => {
        if (!output) return
        airline.seats.delete(output.seat)
      },
    })
    .step('hotel', { commit: () => ({ room: 7 }), rollback: () => {} })

const mended = (airline: Airline) =>
  saga<{ to: string }>('book-trip')
    .step('flight', {
      commit: ({ input, idempotencyKey }) => {
        airline.seats.set(idempotencyKey, input.to)
        return { seat: idempotencyKey }
      },
      // The key of the commit is always there, whether or not its answer was.
      rollback: ({ commitKey }) => void airline.seats.delete(commitKey),
    })
    .step('hotel', { commit: () => ({ room: 7 }), rollback: () => {} })

const options = {
  input: { to: 'LIS' },
  world: () => new Airline(),
  invariant: ({ world, status }: { world: Airline; status: string }) =>
    world.seats.size === (status === 'committed' ? 1 : 0) || `${world.seats.size} seats are booked`,
}

try {
  await explore(bookTrip, options)
} catch (error) {
  if (!(error instanceof ExplorationError)) throw error
  console.log(error.message)
}
const { text } = await explore(mended, options)
console.log(`\n${text}`)
