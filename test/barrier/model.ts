/**
 * Random calls of one saga's steps, and the model that says what they come to.
 */
import fc from 'fast-check'

export const steps = ['flight', 'hotel'] as const

const command = fc.record({
  do: fc.constantFrom('commit', 'commit', 'rollback', 'rollback', 'restart'),
  step: fc.constantFrom(...steps),
  round: fc.integer({ min: 1, max: 3 }),
  token: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  fails: fc.boolean(),
  nested: fc.boolean(),
})
export type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never

/** What the barrier promises of one saga, in a few lines. */
export class Model {
  fence = 0
  readonly state = new Map<string, { is: 'committed' | 'rolled_back'; answer?: number; undone?: number }>()
  answers = 0

  run({ do: what, step, token, fails }: Command): unknown {
    if (what === 'restart') return 'restarted'
    if (token !== undefined && token < this.fence) return 'STALE_TOKEN'
    const result = what === 'commit' ? this.commit(step, fails) : this.rollback(step, fails)
    const recorded = result !== 'business' && result !== 'ROLLED_BACK_ALREADY'
    if (recorded && token !== undefined) this.fence = token
    return result
  }

  commit(step: string, fails: boolean): unknown {
    const row = this.state.get(step)
    if (row?.is === 'rolled_back') return 'ROLLED_BACK_ALREADY'
    if (row) return row.answer
    if (fails) return 'business'
    this.state.set(step, { is: 'committed', answer: ++this.answers })
    return this.answers
  }

  rollback(step: string, fails: boolean): unknown {
    const row = this.state.get(step)
    if (!row) this.state.set(step, { is: 'rolled_back' })
    if (row?.is !== 'committed') return row?.undone
    if (fails) return 'business'
    const undone = -(row.answer ?? 0)
    this.state.set(step, { is: 'rolled_back', undone })
    return undone
  }

  standing(step: string): number {
    return this.state.get(step)?.is === 'committed' ? 1 : 0
  }
}

export const commands = fc.array(command, { maxLength: 30 })

const plain: Command = {
  do: 'commit',
  step: 'flight',
  round: 1,
  token: undefined,
  fails: false,
  nested: false,
}

/** One sequence that comes to every kind of answer: chance alone misses one now and then. */
export const example: Command[] = [
  { ...plain, fails: true },
  { ...plain, token: 2 },
  { ...plain, do: 'rollback', token: 1 },
  { ...plain, do: 'rollback' },
  plain,
  { ...plain, do: 'rollback', step: 'hotel' },
  { ...plain, do: 'restart' },
]

/** Every kind of answer, first and repeated, of both directions, and all refusals: what a run of them must have reached. */
export const every = [1, -1, undefined, 'business', 'STALE_TOKEN', 'ROLLED_BACK_ALREADY', 'restarted']
