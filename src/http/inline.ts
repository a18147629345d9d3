/**
 * Sagas that are submitted with their steps: taken where the server lets steps go somewhere, and found again after a restart.
 *
 * Invariant: nothing is kept of them here: what a blocked saga needs is read from the store, shape by shape.
 */
import type { Definition, Orchestrator } from '../index.js'
import { inlineOf, inlineSaga } from '../remote/index.js'
import type { Members } from './body.js'
import { badRequest, Problem } from './problem.js'

/** Versions of sagas that bring their steps along begin so; no name leads to them. */
export const isInline = ({ plan }: Definition): boolean => plan.version.startsWith('inline-')

const pageLength = 200

export interface Submission {
  readonly definition: Definition
  readonly input: unknown
}

export class Inline {
  readonly #orchestrator: Orchestrator
  readonly #allow: readonly string[]

  constructor(orchestrator: Orchestrator, allow: readonly string[]) {
    this.#orchestrator = orchestrator
    this.#allow = allow
    if (allow.length === 0) return
    orchestrator.on('blocked', ({ saga }) => void this.#find(saga).catch(() => {}))
    // Those that were blocked before anybody listened. A store that does not answer now says so elsewhere, and again later.
    this.#findAll().catch(() => {})
  }

  /** Throws Problem, DefinitionError, BadInputError. */
  submission({ name, steps, keys, input }: Members): Submission {
    if (this.#allow.length === 0) {
      throw new Problem(403, 'this server takes no steps', {
        code: 'NO_INLINE_STEPS',
        hint: 'start it with --allow ORIGIN, and the steps may go there; or submit a definition by its name',
      })
    }
    if (typeof name !== 'string')
      throw badRequest('name is no text', 'send the name of the saga beside its steps')
    return inlineSaga({ name, steps, keys, input }, { allow: this.#allow })
  }

  async #findAll(): Promise<void> {
    let after: string | undefined
    do {
      const page = await this.#orchestrator.list({
        blocked: true,
        order: 'oldest',
        limit: pageLength,
        ...(after === undefined ? {} : { after }),
      })
      for (const saga of page.sagas) await this.#find(saga)
      after = page.next
    } while (after !== undefined)
  }

  async #find({ id, name, version }: { id: string; name: string; version: string }): Promise<void> {
    if (!version.startsWith('inline-') || this.#isOffered(name, version)) return
    const saga = await this.#orchestrator.get(id)
    const definition = saga && inlineOf(saga, { allow: this.#allow })
    if (definition) this.#orchestrator.offer(definition)
  }

  #isOffered(name: string, version: string): boolean {
    return this.#orchestrator.definitions().some(({ plan }) => plan.name === name && plan.version === version)
  }
}
