/**
 * What a saga needs of a commit and its rollback: each property in words, with what to do where it is missing, and how it is tried.
 *
 * Invariant: a property is judged by what the world shows before and after, never by what the functions say.
 */
import { isDeepStrictEqual } from 'node:util'
import { storable } from '../core/json.js'

/** One world, one step, one saga's calls of it. */
export interface Trial {
  commit(saga?: string): Promise<unknown>
  /** `output` absent: the commit is in doubt. `round`: 2 where it runs again because the commit landed late. */
  rollback(given?: {
    readonly output?: unknown
    readonly round?: number
    readonly saga?: string
  }): Promise<unknown>
  /** A copy of what the world shows. */
  state(): Promise<unknown>
}

interface Property {
  /** What must hold. */
  readonly says: string
  readonly hint: string
  /** A text where it does not hold. */
  readonly fails: (trial: Trial) => Promise<string | undefined>
}

const asBefore = (before: unknown, after: unknown, what: string): string | undefined =>
  isDeepStrictEqual(before, after)
    ? undefined
    : `${what} left ${show(after)}, where there was ${show(before)}`

export const properties = {
  effect: {
    says: 'the commit has an effect that the world shows',
    hint: 'give `state` what the commit changes, or the step `rollback: none(…)` if it changes nothing',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.commit()
      return isDeepStrictEqual(before, await trial.state())
        ? `the world is as before: ${show(before)}`
        : undefined
    },
  },
  storable: {
    says: 'what the commit returns can be stored as JSON',
    hint: 'return plain data: an output that cannot be stored puts the step in doubt',
    fails: async (trial) => {
      const stored = storable(await trial.commit(), 'output')
      return stored.ok ? undefined : `${stored.path} ${stored.reason}`
    },
  },
  commitTwice: {
    says: 'a commit that is called twice with one key takes effect once',
    hint: 'remember `idempotencyKey` with the effect, and answer the second call as the first',
    fails: async (trial) => {
      const first = await trial.commit()
      const once = await trial.state()
      const second = await trial.commit()
      return (
        asBefore(once, await trial.state(), 'the second call') ??
        (isDeepStrictEqual(first, second)
          ? undefined
          : `it answered ${show(first)} first, and then ${show(second)}`)
      )
    },
  },
  rollback: {
    says: 'the rollback undoes the commit',
    hint: 'undo all that the commit did',
    fails: async (trial) => {
      const before = await trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      return asBefore(before, await trial.state(), 'commit and rollback')
    },
  },
  rollbackInDoubt: {
    says: 'the rollback undoes the commit also without its output, when nobody knows whether it took effect',
    hint: 'find what to undo by `commitKey`: `output` is absent where the answer of the commit was lost',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.commit()
      await trial.rollback()
      return asBefore(before, await trial.state(), 'commit and rollback without output')
    },
  },
  rollbackTwice: {
    says: 'a rollback that is called twice is as one that is called once',
    hint: 'let it succeed where there is nothing left to undo',
    fails: async (trial) => {
      const before = await trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      await trial.rollback({ output })
      return asBefore(before, await trial.state(), 'the second rollback')
    },
  },
  rollbackOfNothing: {
    says: 'the rollback of a commit that never took effect does nothing, and succeeds',
    hint: 'let it succeed where there is nothing to undo: a commit in doubt may never have arrived',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.rollback()
      return asBefore(before, await trial.state(), 'the rollback')
    },
  },
  crash: {
    says: 'a commit that is called again after a crash is undone by one rollback',
    hint: 'remember `idempotencyKey` with the effect, so that the second call adds nothing',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.commit()
      await trial.commit()
      await trial.rollback()
      return asBefore(before, await trial.state(), 'two commits and a rollback')
    },
  },
  others: {
    says: 'the rollback leaves alone what other sagas did',
    hint: 'undo what `commitKey` did, and nothing else: never put back what was there before',
    fails: async (trial) => {
      await trial.commit('another')
      const before = await trial.state()
      const output = await trial.commit()
      await trial.rollback({ output })
      const alone = asBefore(before, await trial.state(), 'the rollback, with another saga done before,')
      if (alone !== undefined) return alone
      const first = await trial.commit('first')
      const second = await trial.commit('second')
      await trial.rollback({ output: first, saga: 'first' })
      await trial.rollback({ output: second, saga: 'second' })
      return asBefore(before, await trial.state(), 'two sagas, rolled back in the order of their commits,')
    },
  },
  late: {
    says: 'a commit that arrives after its rollback is undone by rolling back again',
    hint: 'the second rollback has a key of its own: do not take it for the first one repeated',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.rollback()
      const output = await trial.commit().catch(() => undefined)
      await trial.rollback({ output, round: 2 })
      return asBefore(before, await trial.state(), 'rollback, commit and rollback')
    },
  },
  refused: {
    says: 'a commit that arrives after its rollback is refused',
    hint: 'put a barrier before it: `backstep/barrier` remembers which keys were rolled back',
    fails: async (trial) => {
      const before = await trial.state()
      await trial.rollback()
      await trial.commit().catch(() => {})
      return asBefore(before, await trial.state(), 'the commit')
    },
  },
} as const satisfies Readonly<Record<string, Property>>

export type PropertyName = keyof typeof properties

export const propertyNames = Object.keys(properties) as readonly PropertyName[]

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Map ? Object.fromEntries(inner) : inner instanceof Set ? [...inner] : inner,
  )
  return text === undefined ? 'nothing' : text.length > 120 ? `${text.slice(0, 119)}…` : text
}
