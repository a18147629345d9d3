/**
 * The promises as laws on a history. Calls and ends are judged by what the world saw and by the plain text of the journal,
 * never by the state that the core derived from it; writes by what must never be taken back in that state.
 */
import type { Call } from '#dist/core/decide.js'
import type { Chunk, Entry } from '#dist/core/entry.js'
import type { Plan } from '#dist/core/plan.js'
import type { State } from '#dist/core/state.js'
import { formatJournal } from './format-entry.js'
import type { World } from './world.js'

export class Violation extends Error {
  constructor(law: string, chunks: readonly Chunk[]) {
    super(`${law}\n${formatJournal(chunks)}`)
  }
}

export const some = (chunks: readonly Chunk[], test: (entry: Entry) => boolean): boolean =>
  chunks.some((chunk) => chunk.entries.some(test))

export const turnedBack = (chunks: readonly Chunk[]): boolean =>
  some(chunks, ({ type }) => type === 'rolling_back')

const isSkipped = (chunks: readonly Chunk[], name: string | undefined): boolean =>
  some(chunks, (entry) => entry.type === 'skipped' && entry.step === name)

/** P3, at the moment of a call; its intent is durable. */
export function judgeCall(
  plan: Plan,
  chunks: readonly Chunk[],
  world: World,
  beside: readonly Call[],
  call: Call,
): void {
  if (call.kind === 'commit') judgeCommit(plan, chunks, world, call)
  if (call.kind === 'rollback') judgeRollback(plan, chunks, world, beside, call)
}

function judgeCommit(plan: Plan, chunks: readonly Chunk[], world: World, call: Call): void {
  const name = plan.steps[call.step]?.name
  const position = plan.steps[call.step]?.position ?? 0
  if (turnedBack(chunks))
    throw new Violation(`P3: ${name} is committed after the decision to roll back`, chunks)
  plan.steps.forEach((step, index) => {
    if (step.position < position && !world[index]?.effect && !isSkipped(chunks, step.name))
      throw new Violation(`P3: ${name} starts before ${step.name} has committed`, chunks)
  })
  if (isSkipped(chunks, name)) throw new Violation(`${name} was skipped and is called`, chunks)
  if (call.attempt <= (world[call.step]?.commits ?? 0))
    throw new Violation(`attempt ${call.attempt} of ${name} is used twice`, chunks)
}

function judgeRollback(
  plan: Plan,
  chunks: readonly Chunk[],
  world: World,
  beside: readonly Call[],
  call: Call,
): void {
  const name = plan.steps[call.step]?.name
  const position = plan.steps[call.step]?.position ?? 0
  if (!turnedBack(chunks)) throw new Violation(`P3: ${name} is rolled back before the decision`, chunks)
  if (beside.some((other) => other.kind === 'commit'))
    throw new Violation(`P3: ${name} is rolled back beside a commit`, chunks)
  plan.steps.forEach((step, index) => {
    if (step.position > position && step.hasRollback && world[index]?.unsure)
      throw new Violation(`P3: ${name} is rolled back before ${step.name}`, chunks)
  })
  if (call.attempt <= (world[call.step]?.rollbacks ?? 0))
    throw new Violation(`rollback attempt ${call.attempt} of ${name} is used twice`, chunks)
}

/** What no write may ever take back: doubt (P4), the decision (P9), and what has committed (P3). */
export function judgeWrite(before: State, after: State, chunks: readonly Chunk[]): void {
  before.steps.forEach((step, index) => {
    if (step.doubt && !after.steps[index]?.doubt) throw new Violation('P4: a doubt was taken back', chunks)
  })
  if (before.wayBack && JSON.stringify(before.wayBack) !== JSON.stringify(after.wayBack))
    throw new Violation('P9: the decision to roll back was taken back', chunks)
  if (before.pastPivot && (!after.pastPivot || after.wayBack))
    throw new Violation('there was a way back behind the pivot', chunks)
  if (after.position < before.position) throw new Violation('P3: a position was taken back', chunks)
  if (before.status === 'committed' && after.status !== 'committed')
    throw new Violation('a committed saga was taken up again', chunks)
}

/** P4 and P9, once the saga has ended. */
export function judgeEnd(plan: Plan, state: State, chunks: readonly Chunk[], world: World): void {
  const back = state.status === 'rolled_back'
  if (back !== turnedBack(chunks))
    throw new Violation(`P9: it ended ${state.status} against its decision`, chunks)
  plan.steps.forEach(({ name, hasRollback }, index) => {
    const { effect, unsure } = world[index] ?? { effect: false, unsure: false }
    if (!back && effect === isSkipped(chunks, name))
      throw new Violation(`P4: it ended committed, and the effect of ${name} is ${effect}`, chunks)
    if (back && hasRollback && effect) throw new Violation(`P4: the effect of ${name} stands`, chunks)
    if (back && hasRollback && unsure) throw new Violation(`P4: ${name} may stand`, chunks)
  })
}
