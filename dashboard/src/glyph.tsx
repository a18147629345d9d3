/**
 * A shape for each state, so that nobody has to tell colours apart.
 */
import { type Kind, kindWords } from './words.js'

/** A step's own: its commit was refused, and nothing of it stands. */
type Shape = Kind | 'failed'

const shapes: Readonly<Record<Shape, string>> = {
  failed: 'M8 6.4 12.2 2.2 13.8 3.8 9.6 8 13.8 12.2 12.2 13.8 8 9.6 3.8 13.8 2.2 12.2 6.4 8 2.2 3.8 3.8 2.2z',
  // An octagon with a bar, as on a road.
  stuck: 'M5 1h6l4 4v6l-4 4H5l-4-4V5zM7 4v5h2V4zM7 10.5v2h2v-2z',
  // A circle that is closed off.
  blocked: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM4 7h8v2H4z',
  // A ring that is not filled yet.
  queued: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  // Forward, and back.
  running: 'M2 3h7l5 5-5 5H2l4-5z',
  rolling_back: 'M14 3H7L2 8l5 5h7l-4-5z',
  // A tick, and a way back to the start.
  committed: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM4 8.2 5.4 6.8 7.2 8.6 10.8 5 12.2 6.4 7.2 11.4z',
  rolled_back: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zM7.5 4v2.5H12v3H7.5V12L3.5 8z',
}

export const Glyph = ({ kind }: { readonly kind: Shape }) => (
  <svg class={`glyph ${kind}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
    <path fill-rule="evenodd" d={shapes[kind]} />
  </svg>
)

/** Shape and word. */
export const State = ({ kind }: { readonly kind: Kind }) => (
  <span class={`state ${kind}`}>
    <Glyph kind={kind} />
    {kindWords[kind]}
  </span>
)

export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
    <rect width="32" height="32" rx="7" />
    <path class="forth" d="M6 8h12l4.5 3.5-4.5 3.5H6z" />
    <path class="back" d="M26 17H14l-4.5 3.5 4.5 3.5h12z" />
  </svg>
)

/** A sun, a moon, or half of each. */
export const ThemeGlyph = ({ theme }: { readonly theme: 'auto' | 'light' | 'dark' }) => (
  <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    <path
      fill-rule="evenodd"
      d={
        {
          light:
            'M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM7.3 1h1.4v2H7.3zm0 12h1.4v2H7.3zM1 7.3h2v1.4H1zm12 0h2v1.4h-2zM2.6 3.6l1-1L5 4 4 5zM11 12l1-1 1.4 1.4-1 1zM2.6 12.4 4 11l1 1-1.4 1.4zM11 4l1.4-1.4 1 1L12 5z',
          dark: 'M6.5 1.5a6.5 6.5 0 1 0 8 8A5.5 5.5 0 0 1 6.5 1.5z',
          auto: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 1.6v10.8A5.4 5.4 0 0 1 8 2.6z',
        }[theme]
      }
    />
  </svg>
)
