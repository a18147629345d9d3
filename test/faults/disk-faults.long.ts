/**
 * Scenario 25: every operation on the files of a SQLite store fails in turn, in every way: an error or a full disk, once or for a
 * while, in a thread or inline, alone or with somebody else who has the file open.
 */
import { expect, test } from 'vitest'
import { describeShim } from '../support/shim.js'
import { describeWay, everyCall, runWay, type Way } from './disk-faults.js'

const ways: readonly Way[] = [
  { name: 'EIO on fsync', kinds: ['sync'] },
  { name: 'EIO on fsync, three times', kinds: ['sync'], times: 3 },
  { name: 'EIO on fsync, in a thread', kinds: ['sync'], thread: true },
  { name: 'EIO on fsync, the file open elsewhere', kinds: ['sync'], companion: true },
  { name: 'EIO on write', kinds: ['write'] },
  { name: 'EIO on write, the file open elsewhere', kinds: ['write'], companion: true },
  { name: 'ENOSPC on write', kinds: ['write'], error: 'ENOSPC' },
  { name: 'half a write, and then ENOSPC', kinds: ['write'], error: 'ENOSPC', half: true, times: 2 },
  { name: 'EIO on read', kinds: ['read'] },
  { name: 'EIO on read, the file open elsewhere', kinds: ['read'], companion: true },
  { name: 'EIO on ftruncate, open and unlink', kinds: ['truncate', 'open', 'unlink'] },
]

describeShim('faults of the disk, all of them', () => {
  test.each(ways)('scenario 25: $name', async (way) => {
    const report = await runWay(way, everyCall)
    console.log(describeWay(way, report))
    expect(report.wrong).toEqual([])
    // How writes fall into flushes depends a little on the machine, and so does the number of calls.
    expect(report.hits).toBeGreaterThan(report.cases * 0.9)
  })
})
