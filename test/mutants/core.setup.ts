/**
 * Properties, as mutation testing wants them: the first counterexample is enough, nobody reads the smallest one; and every run
 * sees the same values, so that a mutant is killed today if it was yesterday.
 */
import fc from 'fast-check'

fc.configureGlobal({ endOnFailure: true, seed: 20_261_123 })
