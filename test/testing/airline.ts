/**
 * A world for tests of the test kit: three services in memory, whose mistakes are planted one by one.
 *
 * Invariant: sound as it stands; each `Mistakes` makes exactly one thing wrong.
 */
import { none, Rejected, saga, step } from 'backstep'

export class Services {
  readonly flights = new Map<string, string>()
  readonly hotels = new Map<string, string>()
  readonly paid = new Map<string, number>()
  /** Keys whose commits are refused, because they were rolled back. */
  readonly refused = new Set<string>()
  readonly undone = new Set<string>()
  booked = 0
  calls = 0
}

export interface Mistakes {
  /** The rollback does nothing where the output is absent. */
  readonly needsOutput?: true
  /** Each call of the commit books once more. */
  readonly countsCalls?: true
  /** What was booked is remembered in the process, and forgotten when it dies. */
  readonly remembers?: true
  /** A rollback that finds nothing throws. */
  readonly strict?: true
  /** The second rollback of a commit is taken for the first one repeated. */
  readonly deaf?: true
  /** Only the rollback of a commit that was tried once is right. */
  readonly onceOnly?: true
}

/** `guarded`: as with a barrier, a commit that arrives after its rollback is refused. */
export function trip(services: Services, mistakes: Mistakes = {}, guarded = false) {
  const { flights, hotels, paid } = services
  const memory = new Set<string>()
  return saga<{ to: string }>('trip')
    .step('flight', {
      commit: ({ input, idempotencyKey }) => {
        if (guarded && services.refused.has(idempotencyKey)) throw new Rejected('rolled back already')
        services.calls++
        if (mistakes.countsCalls) services.booked++
        memory.add(idempotencyKey)
        flights.set(idempotencyKey, input.to)
        return { seat: idempotencyKey }
      },
      rollback: ({ output, commitKey, idempotencyKey }) => {
        if (guarded) services.refused.add(commitKey)
        if (mistakes.strict && !flights.has(commitKey)) throw new Error(`there is no flight ${commitKey}`)
        const forgets =
          (mistakes.needsOutput && !output) ||
          (mistakes.remembers && !memory.has(commitKey)) ||
          (mistakes.deaf && services.undone.has(commitKey)) ||
          (mistakes.onceOnly && services.calls > 1 && !output)
        if (forgets) return
        services.undone.add(commitKey)
        services.undone.add(idempotencyKey)
        services.booked = 0
        flights.delete(commitKey)
      },
      timeout: '2s',
    })
    .parallel({
      hotel: step({
        commit: ({ input, idempotencyKey }) => {
          hotels.set(idempotencyKey, input.to)
          return { room: 7 }
        },
        rollback: ({ commitKey }) => void hotels.delete(commitKey),
      }),
      weather: step({ commit: () => 'sunny', rollback: none('read only') }),
    })
    .step('payment', {
      commit: ({ idempotencyKey }) => void paid.set(idempotencyKey, 100),
      rollback: ({ commitKey }) => void paid.delete(commitKey),
    })
}

/** All or nothing. */
export function allOrNothing({
  world: { flights, hotels, paid, booked },
  status,
}: {
  readonly world: Services
  readonly status: string
}): string | undefined {
  const wanted = status === 'committed' ? 1 : 0
  const found = [flights.size, hotels.size, paid.size]
  if (booked > wanted) return `${booked} seats are booked where there should be ${wanted}`
  return found.every((size) => size === wanted)
    ? undefined
    : `${status}, with [flights, hotels, paid] ${found}`
}
