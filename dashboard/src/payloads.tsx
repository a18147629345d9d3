/**
 * What went in, and what came out of each step. The server leaves out what this reader may not see.
 */
import type { SagaView } from 'backstep'
import { useMemo, useState } from 'preact/hooks'
import { pretty } from './words.js'

/** Characters that are shown at once: a payload may have a megabyte, and a browser lays all of it out. */
const firstPart = 20_000

interface Props {
  readonly saga: SagaView
  /** The server shows this reader none. */
  readonly hidden: boolean
}

export function Payloads({ saga, hidden }: Props) {
  const outputs = Object.entries(saga.outputs)
  if (hidden)
    return <p class="note">Your role does not see what goes in and comes out; the role operate does.</p>
  return (
    <section class="payloads" aria-label="Payloads">
      <Payload name="input" value={saga.input} />
      {outputs.map(([step, value]) => (
        <Payload key={step} name={`output of ${step}`} value={value} />
      ))}
      {outputs.length === 0 && <p class="note">No step has an output.</p>}
    </section>
  )
}

function Payload({ name, value }: { readonly name: string; readonly value: unknown }) {
  const [whole, show] = useState(false)
  const text = useMemo(() => (value === undefined ? 'none' : pretty(value)), [value])
  return (
    <section>
      <h2>{name}</h2>
      <pre>{whole ? text : text.slice(0, firstPart)}</pre>
      {!whole && text.length > firstPart && (
        <button type="button" onClick={() => show(true)}>
          Show all of it ({Math.round(text.length / 1_000)} kB)
        </button>
      )}
    </section>
  )
}
