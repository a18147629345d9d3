/**
 * `backstep journal <id>`: all that happened to a saga, in order.
 */
import type { Command } from 'commander'
import type { JournalEntry } from '../index.js'
import { entryText, relative } from '../runtime/entry-text.js'
import { notFound } from '../runtime/facts.js'
import { addCommand, withStore } from './command.js'
import { jsonLine, type Terminal, wrap } from './terminal.js'

export function registerJournal(program: Command): void {
  addCommand(program, {
    usage: 'journal <id>',
    summary: 'print all that happened to a saga',
    more: 'Times count from when it was submitted. Entries of one number became durable together.',
    json: `one line for each entry: {"type", "seq", "at", …}; at in ms since 1970, and
what its type has beside: step, direction, attempt, outcome, error, …`,
    examples: [
      ['backstep journal order-7', 'for a person'],
      [`backstep journal order-7 --json | grep '"failed"'`, 'with whole payloads and stacks'],
    ],
  }).action(
    withStore(async ({ orchestrator, terminal }, _flags, [id = '']) => {
      const journal = await orchestrator.journal(id)
      if (!journal) throw notFound(id)
      if (terminal.json) process.stdout.write(journal.map((entry) => `${jsonLine(entry)}\n`).join(''))
      else terminal.answer(undefined, journalText(journal, terminal))
    }),
  )
}

/** Number and time stand only before the first entry of a write. */
export function journalText(
  journal: readonly JournalEntry[],
  { paint, width }: Pick<Terminal, 'paint' | 'width'>,
): string {
  const start = journal[0]?.at ?? 0
  const numbers = String(journal.at(-1)?.seq ?? 0).length
  const times = Math.max(...journal.map(({ at }) => relative(at - start).length))
  const indent = numbers + times + 4
  const room = Math.max(20, Math.min(120, width - indent))
  return journal
    .map((entry, i) => {
      const isFirst = entry.seq !== journal[i - 1]?.seq
      const seq = (isFirst ? String(entry.seq) : '').padStart(numbers)
      const time = (isFirst ? relative(entry.at - start) : '').padStart(times)
      return `${paint.dim(`${seq}  ${time}`)}  ${wrap(entryText(entry, start, paint, room), width, indent)}`
    })
    .join('\n')
}
