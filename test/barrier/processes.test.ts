/**
 * The barrier between processes: two that race on one file, and one that is killed in the middle.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { commitCall, participant, rollbackCall, temporaryFile } from './fixture.js'

type Child = ChildProcessByStdio<Writable, Readable, null>

const script = fileURLToPath(new URL('child.mjs', import.meta.url))
const start = (...args: string[]): Child =>
  spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })

function preparedFile(): string {
  const file = temporaryFile()
  const first = participant(file)
  first.db.pragma('journal_mode = WAL')
  return file
}

/** Starts both, lets them go at the same moment, and returns what each answered. */
async function race(file: string, calls: number, ...sides: ('commit' | 'rollback')[]): Promise<unknown[][]> {
  const children = sides.map((side) => start('race', file, side, String(calls)))
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go')
  const outputs = await Promise.all(children.map((child) => text(child.stdout)))
  return outputs.map((output) => JSON.parse(output) as unknown[])
}

describe('two processes on one file', () => {
  test('the same commits from both: each takes effect once, both get the same answers', async () => {
    // A race counts only if both really raced: each of them was first at least once. A busy machine may take turns for long.
    const first = new Set<number>()
    for (let races = 0; first.size < 2 && races < 10; races++) {
      const file = preparedFile()
      const [one = [], two = []] = await race(file, 300, 'commit', 'commit')
      expect(one).toHaveLength(300)
      expect(one).toEqual(two)
      expect(participant(file).effects()).toHaveLength(300)
      first.clear()
      for (const answer of one) first.add((answer as { pid: number }).pid)
    }
    expect(first.size).toBe(2)
  })

  test('commits from one, their rollbacks from the other: in any order nothing stands', async () => {
    const file = preparedFile()
    const [commits = [], rollbacks = []] = await race(file, 300, 'commit', 'rollback')
    expect(participant(file).effects()).toEqual([])
    commits.forEach((commit, step) => {
      expect(rollbacks[step]).toBe(commit === 'ROLLED_BACK_ALREADY' ? null : 1)
    })
  })
})

describe('killed by SIGKILL', () => {
  async function dies(file: string, when: 'effect' | 'answer'): Promise<void> {
    const child = start('die', file, when)
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    expect(signal).toBe('SIGKILL')
  }

  test('between the effect and its COMMIT: nothing stands, and the next call has the effect', async () => {
    const file = preparedFile()
    await dies(file, 'effect')
    const { guard, book, effects, records } = participant(file)
    expect([effects(), records()]).toEqual([[], []])
    guard.commit(commitCall('flight', 1), () => book('flight'))
    expect(effects()).toEqual(['flight'])
  })

  test('between the effect and its COMMIT: a rollback finds nothing to undo', async () => {
    const file = preparedFile()
    await dies(file, 'effect')
    const { guard, release } = participant(file)
    expect(guard.rollback(rollbackCall('flight', 2), release)).toBeUndefined()
  })

  test('after the COMMIT, before the answer: the next call gets the answer, and has no effect', async () => {
    const file = preparedFile()
    await dies(file, 'answer')
    const { guard, book, effects, calls } = participant(file)
    expect(guard.commit(commitCall('flight', 1), () => book('flight'))).toMatchObject({ id: 1 })
    expect([effects(), calls.effect]).toEqual([['flight'], 0])
  })
})
