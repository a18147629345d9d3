/**
 * The protocol mutants: breaks of the engine, made by hand, each of which must be noticed (docs/mutants.md has the table).
 *
 * A mutant says which promise it breaks, how, by which edits, and which test files are expected to notice, the quickest first.
 *
 * Invariants
 * - The text to be replaced occurs exactly once in its file: held by list.test.ts, so that the list cannot rot.
 * - A broken engine still loads. It is to be caught by what it does.
 */
import { core } from './core.mjs'
import { order } from './order.mjs'
import { runtime } from './runtime.mjs'
import { stores } from './stores.mjs'

export const mutants = [...core, ...runtime, ...order, ...stores]

const control = (name, breaks, from, to) => ({
  name: `control-${name}`,
  promise: 'P3',
  breaks,
  edits: [{ file: 'src/core/decide.ts', from, to }],
  tests: ['test/core/hard-cases-calls.test.ts'],
})

/** Not one of these may count as killed, or the script would call anything so. Only run by name. */
export const controls = [
  control('harmless', 'nothing', 'position >= 0; position--', 'position > -1; position--'),
  control('does-not-load', 'an import', 'export function decide(', 'function decide('),
  control(
    'crashes',
    'everything, by an error that no test is about',
    'return state.wayBack ? goBack(state, now) : goOn(state, now)',
    'return undefined.it',
  ),
]

/** The broken text of a file. Throws where there is nothing to break any more. */
export function broken({ name }, { file, from, to }, text) {
  const parts = text.split(from)
  if (parts.length === 2) return parts.join(to)
  throw new Error(`mutant ${name}: ${file} holds ${parts.length - 1} times, instead of once:\n${from}`)
}
