/**
 * The services that steps call: what stands there, whatever anybody says about it.
 *
 * Invariants
 * - Both kinds know a call by its idempotency key: the same twice changes nothing.
 * - A plain one has no memory of what never came: a commit that arrives after its rollback takes effect, and a rollback under a key
 *   that it has seen does nothing any more. So a call that lands late must be undone once more, under a new key.
 * - One behind a barrier refuses a commit after its rollback, and whoever comes with an older token (the protocol of backstep/barrier).
 */
import type { Json } from 'backstep'

export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal'
}

/** The greatest token that the services of one saga have seen. */
export interface Fence {
  token: number
}

export class Service {
  /** The effect is there. */
  stands = false
  output: Json | undefined
  readonly isBarrier: boolean
  readonly #fence: Fence
  readonly #undone = new Set<string>()
  /** All that it, or somebody by hand, has ever given, as JSON. */
  readonly #given = new Set<string | undefined>()
  #refuses = false

  constructor(isBarrier: boolean, fence: Fence) {
    this.isBarrier = isBarrier
    this.#fence = fence
  }

  /** Takes effect, or throws ServiceRefusal without one. */
  commit(token: number, output: Json): Json {
    this.#guard(token)
    if (this.#refuses)
      throw new ServiceRefusal('this key is refused: it was rolled back, or said never to come')
    if (!this.stands || this.output === undefined) this.output = output
    this.stands = true
    this.#given.add(JSON.stringify(this.output))
    return this.output
  }

  readonly gave = (output: unknown): boolean => this.#given.has(JSON.stringify(output))

  rollback(key: string, token: number): void {
    this.#guard(token)
    if (this.isBarrier) {
      this.#refuses = true
      this.stands = false
    } else if (!this.#undone.has(key)) {
      this.#undone.add(key)
      this.stands = false
    }
  }

  /** Answers the truth. Where it has no effect it is asked to refuse the key from now on (`never`), or says that it cannot tell. */
  verify(canTell: boolean): { committed: Json } | 'never' | 'unknown' {
    if (!canTell) return 'unknown'
    if (this.stands) return { committed: this.output ?? null }
    this.#refuses = true
    return 'never'
  }

  /** Somebody has put it right by hand. */
  byHand(as: 'rolled_back' | 'committed', output: Json | undefined): void {
    this.stands = as === 'committed'
    if (this.stands) {
      this.output = output
      this.#given.add(JSON.stringify(output))
    }
    if (as === 'rolled_back' && this.isBarrier) this.#refuses = true
  }

  #guard(token: number): void {
    if (!this.isBarrier) return
    if (token < this.#fence.token)
      throw new ServiceRefusal(`token ${token} is stale: ${this.#fence.token} was here`)
    this.#fence.token = token
  }
}
