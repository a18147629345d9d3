/**
 * `backstep show <id>`: one saga as a tree of positions and steps, and one sentence on why it waits.
 */
import type { Command } from 'commander'
import type { JournalEntry, Orchestrator, SagaView } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { notFound } from '../runtime/facts.js'
import { why } from '../runtime/why.js'
import { addCommand, withStore } from './command.js'
import { isByHand } from './entries.js'
import { drawn } from './saga-text.js'

export function registerShow(program: Command): void {
  addCommand(program, {
    usage: 'show <id>',
    summary: 'show one saga as a tree, and why it waits',
    more: "An id that begins with a dash goes behind two dashes: backstep show -- '-x'",
    json: `one object: a line of list, and {"why", "input", "keys", "shape", "deadline", "outputs",
"wayBack": {"reason", "step", "message", "actor"}, "waitsFor": [{"id", "key", …}],
"steps": [{"name", "position", "commit", "rollback", "commitAttempts",
"rollbackAttempts", "inDoubt", "stuck", "error", "nextAt", …}],
"byHand": [the journal's entries that a person has made]}`,
    examples: [
      ['backstep show order-7', 'as a tree'],
      ['backstep show order-7 --json', 'for a program; .why is the sentence'],
    ],
  }).action(
    withStore(async ({ orchestrator, terminal }, _flags, [id = '']) => {
      const { saga, byHand, journal } = await look(orchestrator, id)
      const now = systemClock.now()
      const sentence = await whyNow(orchestrator, saga, now)
      terminal.answer({ ...saga, why: sentence, byHand }, drawn(saga, journal, sentence, now, terminal))
    }),
  )
}

interface Looked {
  readonly saga: SagaView
  readonly journal: readonly JournalEntry[]
  readonly byHand: readonly JournalEntry[]
}

/** Throws SagaStateError (`NOT_FOUND`). */
async function look(orchestrator: Orchestrator, id: string): Promise<Looked> {
  const [saga, journal] = await Promise.all([orchestrator.get(id), orchestrator.journal(id)])
  if (!saga || !journal) throw notFound(id)
  return { saga, journal, byHand: journal.filter(isByHand) }
}

/** The sentence, with what is known of the workers. */
export async function whyNow(orchestrator: Orchestrator, saga: SagaView, now: number): Promise<string> {
  const { workers } = await orchestrator.health()
  return why(saga, now, workers)
}
