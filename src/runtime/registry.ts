/**
 * The definitions that this process knows, found by what a stored saga says that it follows.
 *
 * Invariants
 * - One name and version has one shape here. Whoever brings another under the same version is refused: it would run steps of one shape
 *   with the functions of the other.
 * - A bare list's functions belong to its saga alone: they are found by its uid, and forgotten when it ends.
 */
import { DefinitionError } from '../core/errors.js'
import type { Definition } from '../definition/definition.js'
import type { DefinitionRef } from '../store/store.js'

export const refOf = ({ plan }: Definition): DefinitionRef => ({
  name: plan.name,
  version: plan.version,
  shape: plan.shape,
})

export class Registry {
  readonly #named = new Map<string, Definition>()
  readonly #lists = new Map<string, Definition>()
  readonly #refs = new Map<string, DefinitionRef>()

  /** True if what this process offers has grown. Throws DefinitionError for another shape under a known version. */
  add(definition: Definition, ref: DefinitionRef): boolean {
    if (definition.anonymous) return this.#offer(ref)
    const key = `${ref.name}@${ref.version}`
    const known = this.#named.get(key)
    if (known === definition) return false
    if (known && known.plan.shape !== ref.shape) {
      throw new DefinitionError(
        `${key} is registered with the steps ${known.plan.shape}, and now comes with ${ref.shape}`,
        'give the changed definition another version: sagas that are under way keep the one they began with',
      )
    }
    this.#named.set(key, definition)
    return this.#offer(ref)
  }

  #offer(ref: DefinitionRef): boolean {
    const key = `${ref.name}@${ref.version}:${ref.shape}`
    if (this.#refs.has(key)) return false
    this.#refs.set(key, ref)
    return true
  }

  keepList(uid: string, definition: Definition): void {
    this.#lists.set(uid, definition)
  }

  forgetList(uid: string): void {
    this.#lists.delete(uid)
  }

  find(ref: DefinitionRef, uid: string): Definition | undefined {
    const definition = this.#named.get(`${ref.name}@${ref.version}`) ?? this.#lists.get(uid)
    return definition?.plan.shape === ref.shape ? definition : undefined
  }

  /** Those with a name, the newest last. */
  get named(): Definition[] {
    return [...this.#named.values()]
  }

  get refs(): DefinitionRef[] {
    return [...this.#refs.values()]
  }
}
