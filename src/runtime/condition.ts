/**
 * Asks the `when` of a step: user code, which may throw or answer nonsense.
 */
import { outputsOf, type State } from '../core/index.js'
import type { Definition } from '../definition/definition.js'

/** Throws what the `when` throws, and a TypeError where it answers neither true nor false. */
export function isWanted(definition: Definition, state: State, index: number): boolean {
  const when = definition.functions[index]?.when
  const answer: unknown = when?.({ input: state.input, outputs: outputsOf(state) } as never)
  if (typeof answer === 'boolean') return answer
  const step = state.plan.steps[index]?.name ?? ''
  throw new TypeError(`the when of step ${step} must return true or false`)
}
