/**
 * The sagas that are measured: three steps that do nothing.
 */
import { Rejected, saga } from 'backstep'

const nothing = (): void => {}
const step = { commit: nothing, rollback: nothing }

export interface Keyed {
  readonly key: string
}

/** Called by the first and by the third commit. */
export interface Hooks {
  readonly first?: () => void
  readonly last?: () => void
}

const keys = ({ key }: Keyed): string[] => [key]

/** With a key each. */
export const keyed = ({ first = nothing, last = nothing }: Hooks = {}) =>
  saga<Keyed>('keyed', { keys })
    .step('flight', { commit: first, rollback: nothing })
    .step('hotel', step)
    .step('payment', { commit: last, rollback: nothing })

/** Without keys: one at a time. */
export const serial = ({ first = nothing, last = nothing }: Hooks = {}) =>
  saga<Keyed>('serial')
    .step('flight', { commit: first, rollback: nothing })
    .step('hotel', step)
    .step('payment', { commit: last, rollback: nothing })

/** The third step is rejected: two rollbacks. */
export const refused = () =>
  saga<Keyed>('refused', { keys })
    .step('flight', step)
    .step('hotel', step)
    .step('payment', {
      commit: () => {
        throw new Rejected('no funds')
      },
      rollback: nothing,
    })

/** Of the same name and shape as `keyed`, but its first step never answers. */
export const hanging = (called: () => void) =>
  saga<Keyed>('keyed', { keys })
    .step('flight', {
      commit: () => {
        called()
        return new Promise<void>(() => {})
      },
      rollback: nothing,
      timeout: '1d',
    })
    .step('hotel', step)
    .step('payment', step)
