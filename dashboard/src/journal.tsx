/**
 * The journal as a list: the same sentences as `backstep show`, and each entry as it is stored, on demand.
 */
import type { JournalEntry } from 'backstep'
import { isByHand, relative } from '#dist/runtime/entry-text.js'
import { entryWords } from './timeline/words.js'
import { plural, timeText } from './words.js'

export function Journal({ journal }: { readonly journal: readonly JournalEntry[] }) {
  const start = journal[0]?.at ?? 0
  const keys = new Map<string, number>()
  return (
    <section aria-label="Journal">
      <ol class="journal">
        {journal.map((entry) => {
          const index = keys.get(String(entry.seq)) ?? 0
          keys.set(String(entry.seq), index + 1)
          return <Line key={`${entry.seq}.${index}`} {...{ entry, start }} />
        })}
      </ol>
      <p class="note">
        {plural(journal.length, 'entry').replace('entrys', 'entries')}. Failures of the same kind are kept as
        one.
      </p>
    </section>
  )
}

const lookOf = (entry: JournalEntry): string => {
  if (isByHand(entry)) return 'by-hand'
  if (entry.type === 'failed')
    return entry.outcome === 'in_doubt' && entry.direction === 'commit' ? 'in_doubt' : 'failed'
  return entry.type
}

function Line({ entry, start }: { readonly entry: JournalEntry; readonly start: number }) {
  const { seq, at, ...fact } = entry
  return (
    <li class={lookOf(entry)}>
      <details>
        <summary>
          <time dateTime={new Date(at).toISOString()} title={timeText(at, 0, true)}>
            {relative(at - start)}
          </time>
          <span>{entryWords(entry, start)}</span>
        </summary>
        <pre>{JSON.stringify({ seq, at: new Date(at).toISOString(), ...fact }, null, 2)}</pre>
      </details>
    </li>
  )
}
