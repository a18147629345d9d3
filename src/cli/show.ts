/**
 * `backstep show <id>`: one saga as a tree of positions and steps, and one sentence on why it waits.
 */
import type { Command } from 'commander'
import type { Orchestrator } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { isByHand } from '../runtime/entry-text.js'
import { notFound } from '../runtime/facts.js'
import { why } from '../runtime/why.js'
import { addCommand, withStore } from './command.js'
import { drawn, type Looked } from './saga-text.js'

export function registerShow(program: Command): void {
  addCommand(program, {
    usage: 'show <id>',
    summary: 'show one saga as a tree, and why it waits',
    more: "An id that begins with a dash goes behind two dashes: backstep show -- '-x'",
    json: `one object: a line of list, and {"why", "input", "keys", "shape",
"deadline", "outputs", "wayBack": {"reason", "step", "message", "actor"},
"waitsFor": [{"id", "key", …}], "steps": [{"name", "position", "commit",
"rollback", "commitAttempts", "rollbackAttempts", "inDoubt", "stuck",
"error", "nextAt", …}], "byHand": [entries that a person has made]}`,
    examples: [
      ['backstep show order-7', 'as a tree'],
      ['backstep show order-7 --json', 'for a program; .why is the sentence'],
    ],
  }).action(
    withStore(async ({ orchestrator, terminal }, _flags, [id = '']) => {
      const looked = await look(orchestrator, id)
      const { saga, journal, why } = looked
      terminal.answer({ ...saga, why, byHand: journal.filter(isByHand) }, drawn(looked, terminal))
    }),
  )
}

/** Throws SagaStateError (`NOT_FOUND`). */
async function look(orchestrator: Orchestrator, id: string): Promise<Looked> {
  const [saga, journal, { workers }] = await Promise.all([
    orchestrator.get(id),
    orchestrator.journal(id),
    orchestrator.health(),
  ])
  if (!saga || !journal) throw notFound(id)
  const now = systemClock.now()
  const isRun = workers.some(({ worker, alive }) => worker === saga.owner && alive)
  return { saga, journal, isRun, now, why: why(saga, now, workers) }
}
