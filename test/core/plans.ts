/**
 * Small plans, written as their shape: `planOf('a > b | c > d!', { a: { hasVerify: true } })`.
 */
import { type Plan, planOfShape, type StepPlan } from '#dist/core/plan.js'

/** Waits of 10 ms without jitter to speak of, so that a journal's times are easy to read. */
const wait = { min: 10, max: 10, factor: 1 }

type Policies = Partial<Omit<StepPlan, 'name' | 'position' | 'pivot' | 'retry'>> & {
  readonly attempts?: number
}

export function planOf(
  shape: string,
  policies: Readonly<Record<string, Policies>> = {},
  version = '1',
): Plan {
  const plan = planOfShape('test', version, shape)
  const pivot = plan.steps.findIndex((step) => step.pivot)
  const steps = plan.steps.map((step, index): StepPlan => {
    const { attempts, ...rest } = policies[step.name] ?? {}
    const forever = pivot >= 0 && index > pivot
    return {
      ...step,
      timeout: 1_000,
      retry: { attempts: attempts ?? (forever ? Number.POSITIVE_INFINITY : 1), ...wait },
      rollbackRetry: wait,
      ...rest,
    }
  })
  return { ...plan, steps, stuck: { attempts: 3, after: 300_000 } }
}
