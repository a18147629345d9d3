/**
 * The plan: a definition without its functions. Names, order and policies, as data.
 *
 * Invariants
 * - A plan is immutable and carries no function, so that it can be stored, compared and explored.
 * - `steps` is in order of declaration; `steps[i].position` never decreases; `positions[p]` lists the
 *   indexes of its members. A position with more than one member is a parallel group.
 * - `shape` is all that must not change under one version: names, order, groups and the pivot.
 *   Policies (timeouts, retries) may change between two processes; shapes may not.
 */

/** Capped exponential backoff, in ms: min + random * (min(max, min * factor^(n-1)) - min). */
export interface Backoff {
  readonly min: number
  readonly max: number
  readonly factor: number
}

/** How often a commit is called in all (`Infinity`: until it commits or is rejected for good), and the waits between. */
export interface CommitRetry extends Backoff {
  readonly attempts: number
}

/** What an error thrown by a commit says about its effect when nothing else tells. */
export type ThrowsPolicy = 'rejected' | 'in_doubt'

export interface StepPlan {
  readonly name: string
  readonly position: number
  /** Bounds each call of either direction, in ms. */
  readonly timeout: number
  readonly pivot: boolean
  /** False for `rollback: none('why')`: there is nothing to call. */
  readonly hasRollback: boolean
  readonly hasVerify: boolean
  /** True when the step has a `when`: it may be skipped. */
  readonly conditional: boolean
  readonly throws: ThrowsPolicy
  readonly retry: CommitRetry
  readonly rollbackRetry: Backoff
}

/** When a failing rollback (or a step behind the pivot) raises the alarm. */
export interface StuckPolicy {
  readonly attempts: number
  /** ms since the first of the consecutive failures. */
  readonly after: number
}

export interface Plan {
  readonly name: string
  readonly version: string
  readonly shape: string
  readonly steps: readonly StepPlan[]
  readonly positions: readonly (readonly number[])[]
  readonly stuck: StuckPolicy
}

export const defaultTimeout = 30_000
/** A saga is replayed as a whole, and its shape is compared as text: beyond this it should be several sagas. */
export const maxSteps = 10_000
export const defaultBackoff: Backoff = { min: 100, max: 60_000, factor: 2 }
export const defaultRetry: CommitRetry = { attempts: 1, ...defaultBackoff }
export const defaultStuck: StuckPolicy = { attempts: 10, after: 300_000 }

/** The part of a step that its shape is made of. */
export interface ShapeStep {
  readonly name: string
  readonly pivot: boolean
}

/**
 * Writes down names, order, groups and the pivot: `flight > hotel | car > payment!`.
 * Step names hold none of the signs used here (the definition's lint sees to it), so equal text means equal shape.
 */
export function shapeOf(positions: readonly (readonly ShapeStep[])[]): string {
  return positions
    .map((members) => members.map((step) => (step.pivot ? `${step.name}!` : step.name)).join(' | '))
    .join(' > ')
}

/** Reads a shape back, so that a saga can be shown without its definition. */
export function parseShape(shape: string): ShapeStep[][] {
  if (shape === '') return []
  return shape
    .split(' > ')
    .map((members) =>
      members
        .split(' | ')
        .map((word) =>
          word.endsWith('!') ? { name: word.slice(0, -1), pivot: true } : { name: word, pivot: false },
        ),
    )
}

/** A plan with default policies, rebuilt from a stored shape: enough to replay a journal, never used to run one. */
export function planOfShape(name: string, version: string, shape: string): Plan {
  const positions = parseShape(shape)
  const steps: StepPlan[] = []
  positions.forEach((members, position) => {
    for (const { name: step, pivot } of members) {
      steps.push({
        name: step,
        position,
        timeout: defaultTimeout,
        pivot,
        hasRollback: true,
        hasVerify: false,
        conditional: false,
        throws: 'rejected',
        retry: defaultRetry,
        rollbackRetry: defaultBackoff,
      })
    }
  })
  return { name, version, shape, steps, positions: indexPositions(steps), stuck: defaultStuck }
}

/** Groups the indexes of steps by their position. */
export function indexPositions(steps: readonly StepPlan[]): number[][] {
  const positions: number[][] = []
  steps.forEach((step, index) => {
    const members = positions[step.position]
    if (members) members.push(index)
    else positions[step.position] = [index]
  })
  return positions
}
