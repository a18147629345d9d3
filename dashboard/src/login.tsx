/**
 * Asks for a token, gives it to the server once, and forgets it: what stays is a cookie that no script can read.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { api, type Problem } from './api.js'
import { Mark } from './glyph.js'
import { problemIn } from './hooks.js'
import { Trouble } from './trouble.js'

export function Login({ done }: { readonly done: () => void }) {
  const [problem, setProblem] = useState<Problem>()
  const [token, type] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    try {
      await api.signIn(token.trim())
      type('')
      done()
    } catch (error) {
      setProblem(problemIn(error))
    }
  }
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>Backstep</h1>
        {/* What keeps passwords wants a name beside each. */}
        <input type="text" autocomplete="username" value="backstep" hidden readOnly />
        <label class="field">
          <span>Token</span>
          <input
            ref={field}
            type="password"
            required
            autocomplete="current-password"
            value={token}
            onInput={(event) => type(event.currentTarget.value)}
          />
          <small>One of those that the server was started with.</small>
        </label>
        {problem && <Trouble problem={problem} />}
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
    </main>
  )
}
