/**
 * The steps in words: how far each is, how often it was tried, what the last failure said.
 */
import type { SagaView } from 'backstep'
import { safe } from '#dist/runtime/text.js'
import { errorLine } from '#dist/runtime/why.js'
import { Glyph } from './glyph.js'
import { type Kind, plural } from './words.js'

type Step = SagaView['steps'][number]

function stepWords(step: Step): string {
  const { commit, rollback, commitAttempts, rollbackAttempts } = step
  if (rollback === 'done') return `rolled back${times(rollbackAttempts)}`
  if (rollback === 'open' || rollback === 'waiting') return `rolling back, ${tries(rollbackAttempts)}`
  if (commit === 'committed') return `committed${times(commitAttempts)}`
  if (commit === 'skipped') return 'skipped'
  if (commit === 'idle') return 'not begun'
  if (commit === 'failed') return `failed${times(commitAttempts)}`
  return `${step.pending ? 'still going on' : 'committing'}, ${tries(commitAttempts)}`
}

const tries = (attempts: number): string => plural(attempts, 'attempt')

const times = (attempts: number): string => (attempts > 1 ? ` after ${attempts} attempts` : '')

function stepKind({ commit, rollback, stuck }: Step): Kind | 'failed' {
  if (stuck) return 'stuck'
  if (rollback === 'done') return 'rolled_back'
  if (rollback !== 'idle') return 'rolling_back'
  if (commit === 'committed') return 'committed'
  if (commit === 'failed') return 'failed'
  return commit === 'open' || commit === 'waiting' ? 'running' : 'queued'
}

/** Where an operator looks first: what is under way, else how far it came. */
export function focusOf(steps: SagaView['steps']): number {
  const underWay = steps.findIndex(({ commit, rollback }) =>
    [commit, rollback].some((is) => is === 'open' || is === 'waiting'),
  )
  return underWay >= 0 ? underWay : steps.findLastIndex(({ commit }) => commit !== 'idle')
}

export const Steps = ({ steps }: { readonly steps: SagaView['steps'] }) => (
  <section class="steps" aria-label="Steps">
    <h2>Steps</h2>
    <ol>
      {steps.map((step) => (
        <li key={step.name} class={step.commit === 'idle' || step.commit === 'skipped' ? 'dim' : ''}>
          <Glyph kind={stepKind(step)} />
          <span class="name">{step.name}</span>
          <span class="what">
            {step.stuck && 'stuck: '}
            {stepWords(step)}
            {step.inDoubt && step.rollback !== 'done' && <em class="tag">in doubt</em>}
          </span>
          {step.error && <span class="error">{safe(errorLine(step.error))}</span>}
        </li>
      ))}
    </ol>
  </section>
)
