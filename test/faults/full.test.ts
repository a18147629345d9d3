/** Scenario 26: the disk is full, and then it is not. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Orchestrator } from 'backstep'
import { sqliteStore } from 'backstep/sqlite'
import { expect, test } from 'vitest'
import { describeShim, failingFolder } from '../support/shim.js'
import { temporaryFolder } from '../support/stores.js'

const script = fileURLToPath(new URL('full-child.mjs', import.meta.url))

describeShim('a disk that is full', () => {
  test.each([true, false])(
    'scenario 26: submits are refused, what runs waits, an alarm is raised, and with room all go on (thread: %s)',
    async (thread) => {
      const folder = temporaryFolder()
      const { env, fault } = failingFolder(folder)
      const file = join(folder, 'store.db')
      const config = JSON.stringify({ file, fault: fault.path, thread })
      const { stdout } = await promisify(execFile)(process.execPath, [script, config], { env })
      const report = JSON.parse(stdout)
      expect(report).toMatchObject({
        refusal: { code: 'STORE_UNAVAILABLE', hint: expect.stringContaining('disk is full') },
        meanwhile: 'running',
        stored: false,
        ended: 'committed',
        again: 'committed',
        // Nothing is called twice for it.
        calls: ['running one', 'running two', 'refused one', 'refused two'],
      })
      expect(report.failedWrites).toBeGreaterThan(1)
      expect(report.alarmsWhileFull).toBeGreaterThan(1)
      expect(report.allClear).toBeGreaterThan(0)
      await using reader = await Orchestrator.open(sqliteStore(file), { work: false, log: false })
      expect(await reader.health()).toMatchObject({ counts: { committed: 2 }, problems: [] })
    },
  )
})
