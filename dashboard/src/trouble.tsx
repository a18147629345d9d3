/**
 * What went wrong, in the server's words, and what to do about it.
 */
import { safe } from '#dist/runtime/text.js'
import type { Problem } from './api.js'

interface Props {
  readonly problem: Problem
  readonly again?: () => void
}

export const Trouble = ({ problem: { message, code, hint }, again }: Props) => (
  <div class="trouble" role="alert">
    <p>
      <strong>{safe(message)}</strong> {code && <code>{code}</code>}
    </p>
    {hint && <p>{safe(hint)}</p>}
    {again && (
      <button type="button" onClick={again}>
        Try again
      </button>
    )}
  </div>
)
