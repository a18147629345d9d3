/**
 * After `close` nothing keeps a real process alive, whatever was under way.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryFile } from '../support/stores.js'

const script = fileURLToPath(new URL('exit-child.mjs', import.meta.url))
const states = ['idle', 'hangs', 'parked', 'waiting', 'unfinished']

test.each(states)('a process ends by itself once its orchestrator is closed: %s', async (state) => {
  for (const address of ['memory:', `sqlite:${temporaryFile()}`]) {
    const child = spawn(process.execPath, [script, JSON.stringify({ address, state })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const hung = setTimeout(() => child.kill('SIGKILL'), 10_000)
    const [output, [code, signal]] = await Promise.all([
      text(child.stdout),
      once(child, 'exit') as Promise<[number | null, string | null]>,
    ])
    clearTimeout(hung)
    expect([address, code, signal]).toEqual([address, 0, null])
    const closed = Number(/closed (\d+)/.exec(output)?.[1])
    expect(Date.now() - closed).toBeLessThan(2_000)
  }
})
