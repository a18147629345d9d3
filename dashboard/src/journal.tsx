/**
 * The journal as a list: the same sentences as `backstep show`, and each entry as it is stored, on demand.
 */
import type { JournalEntry } from 'backstep'
import { useState } from 'preact/hooks'
import { isByHand, relative } from '#dist/runtime/entry-text.js'
import { useFew } from './few.js'
import { entryWords } from './timeline/words.js'
import { pretty, timeText } from './words.js'

/** Entries that a browser draws at once. */
const most = 500

interface Numbered {
  readonly entry: JournalEntry
  /** Its place: `seq.index`. */
  readonly place: string
}

function numbered(journal: readonly JournalEntry[]): Numbered[] {
  let [seq, index] = [-1, 0]
  return journal.map((entry) => {
    index = entry.seq === seq ? index + 1 : 0
    seq = entry.seq
    return { entry, place: `${seq}.${index}` }
  })
}

export function Journal({ journal }: { readonly journal: readonly JournalEntry[] }) {
  const start = journal[0]?.at ?? 0
  const { shown, more } = useFew(numbered(journal), most, journal.length, 'Entries')
  return (
    <section aria-label="Journal">
      {more}
      <ol class="journal">
        {shown.map(({ entry, place }) => (
          <Line key={place} {...{ entry, start }} />
        ))}
      </ol>
      <p class="note">Failures of the same kind are kept as one.</p>
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
  const [open, setOpen] = useState(false)
  const { seq, at, ...fact } = entry
  return (
    <li class={lookOf(entry)}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <time dateTime={new Date(at).toISOString()} title={timeText(at, 0, true)}>
            {relative(at - start)}
          </time>
          <span>{entryWords(entry, start)}</span>
        </summary>
        {open && <pre>{pretty({ seq, at: new Date(at).toISOString(), ...fact })}</pre>}
      </details>
    </li>
  )
}
