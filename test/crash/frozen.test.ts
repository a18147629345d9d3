/**
 * A process that is frozen past its lease, in the middle of a commit, while another takes its saga over; then it wakes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { expect, test } from 'vitest'
import { judgeSaga, readLedger } from '../support/ledger.js'
import { describeShared } from '../support/shared-places.js'
import { temporaryFolder } from '../support/stores.js'

const script = fileURLToPath(new URL('frozen-child.mjs', import.meta.url))

function start(config: object) {
  const child = spawn(process.execPath, [script, JSON.stringify(config)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  const said = async (word: string): Promise<void> => {
    while (!output.includes(word)) await once(child.stdout, 'data')
  }
  const end = async (): Promise<void> => {
    const exit = once(child, 'exit')
    child.stdin.end()
    expect(await exit).toEqual([0, null])
  }
  return { child, said, end }
}

describeShared('frozen', (place) => {
  test('scenarios 1 and 28: its commit succeeds after another process rolled it back: journaled, and rolled back again', async () => {
    const folder = temporaryFolder()
    const config = { address: await place.address(), ledger: join(folder, 'ledger') }
    await using reader = await Orchestrator.open(config.address, { work: false, log: false })
    const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
      while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const first = start({ ...config, role: 'freezes' })
    try {
      await first.said('calling')
      first.child.kill('SIGSTOP')
      const second = start({ ...config, role: 'takes over' })
      await until(async () => (await reader.get('a'))?.status === 'rolled_back')
      expect(readLedger(config.ledger).some(({ outcome }) => outcome === 'committed')).toBe(false)

      first.child.kill('SIGCONT')
      await until(() => readLedger(config.ledger).some(({ outcome }) => outcome === 'committed'))
      await until(async () => (await reader.get('a'))?.late === true)
      await until(async () => (await reader.get('a'))?.status === 'rolled_back')
      await Promise.all([first.end(), second.end()])
    } finally {
      first.child.kill('SIGKILL')
    }
    const lines = readLedger(config.ledger)
    // Its own attempt is the one line that may come late; the rest keeps every promise.
    expect(await judgeSaga(reader, 'a', lines)).toEqual([])
    const rollbacks = lines.filter(({ outcome }) => outcome === 'rolled_back')
    expect(rollbacks.map(({ key }) => key.replace(/^[^:]*/, ''))).toEqual([
      ':book:rollback',
      ':book:rollback:2',
    ])
    const journal = (await reader.journal('a')) ?? []
    expect(journal.filter(({ type }) => type === 'late')).toMatchObject([{ step: 'book', attempt: 1 }])
    expect(journal.filter(({ type }) => type === 'ended')).toHaveLength(2)
    expect(journal.some(({ type }) => type === 'committed')).toBe(false)
  }, 40_000)
})
