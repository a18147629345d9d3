/** The types of list.mjs, for tests. */
export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface Mutant {
  readonly name: string
  readonly promise: string
  readonly breaks: string
  readonly edits: readonly Edit[]
  readonly tests: readonly string[]
}

export const mutants: readonly Mutant[]
export const controls: readonly Mutant[]
export function broken(mutant: Pick<Mutant, 'name'>, edit: Edit, text: string): string
