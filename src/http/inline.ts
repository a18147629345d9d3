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
/** Each stays for as long as the process lives (some 50 kB), and all of them are stored again with each new one. */
const mostShapes = 1_000

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
    // Each is said to be blocked once: those of which a store heard nothing that did not answer then.
    orchestrator.on('available', () => void this.#findAll().catch(() => {}))
    // Those that were blocked before anybody listened.
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
    const submission = inlineSaga({ name, steps, keys, input }, { allow: this.#allow })
    this.#checkRoom(submission.definition)
    return submission
  }

  /** Throws Problem where there are too many to take one more. */
  #checkRoom({ plan: { name, version } }: Definition): void {
    if (this.#isOffered(name, version)) return
    if (this.#orchestrator.definitions().filter(isInline).length < mostShapes) return
    throw new Problem(403, `there are ${mostShapes} kinds of sagas already that brought their steps along`, {
      code: 'TOO_MANY_KINDS',
      hint: 'give the saga and its steps the same names each time, and put what differs into input',
    })
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
