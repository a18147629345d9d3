/**
 * Scenario 24: the power is cut, thousands of times; with settings that are too weak, to show that it would be seen; and with those
 * of the product alone, whose WAL is checkpointed when it has grown to 16 MB.
 */
import { expect, test } from 'vitest'
import { describeShim } from '../support/shim.js'
import { cutPower, describeReport } from './cuts.js'
import { longestWal, record } from './record.js'

/** So that the WAL is checkpointed, and begun anew, every few sagas: the product does so every 4,000 pages. */
const often = 'wal_autocheckpoint=40'

describeShim('power cuts, all of them', () => {
  test.each([
    { pragmas: often, seed: 1 },
    { pragmas: 'wal_autocheckpoint=7', seed: 2 },
  ])('scenario 24: 2,000 images with $pragmas, none lost, none corrupt', async ({ pragmas, seed }) => {
    const report = await cutPower(await record({ pragmas }), { images: 2_000, seed, resumed: 50 })
    console.log(describeReport(`FULL, ${pragmas}`, report))
    expect(report).toMatchObject({ images: 2_000, hows: 5, resumed: 50, lost: [], corrupt: [], wrong: [] })
    expect(report.moments).toBeGreaterThan(1_000)
    expect(report.damaged).toBeGreaterThan(1_000)
    expect(report.damage.tornSectors).toBeGreaterThan(2_000)
    expect(report.damage.lostTruncations).toBeGreaterThan(5)
    expect(report.damage.lostNames).toBeGreaterThan(500)
    expect(report.atRisk).toBeGreaterThan(20_000)
    expect(report.unfinished).toBeGreaterThan(100)
  })

  test('scenario 24: as the product sets it, with a WAL that is checkpointed by its volume', async () => {
    const recording = await record({ sagas: 60, bulk: 600_000 })
    // 4,000 pages with their headers: the next commit checkpoints.
    expect(longestWal(recording)).toBeGreaterThan(4_000 * 4_120)
    const report = await cutPower(recording, { images: 150, seed: 3, resumed: 5 })
    console.log(describeReport('FULL, the product alone', report))
    expect(report).toMatchObject({ images: 150, hows: 5, resumed: 5, lost: [], corrupt: [], wrong: [] })
    expect(report.damaged).toBeGreaterThan(75)
  })

  test.each([7, 13, 31])(
    'scenarios 24 and 25: every %dth fsync fails, and then the power goes',
    async (syncFails) => {
      const recording = await record({ pragmas: often, sagas: 14, syncFails })
      const failed = recording.tape.filter(({ kind }) => kind === 'syncFails').length
      expect(failed).toBeGreaterThan(5)
      const report = await cutPower(recording, { images: 200, seed: syncFails, resumed: 6 })
      console.log(describeReport(`FULL, ${failed} failed syncs`, report))
      expect(report).toMatchObject({ images: 200, hows: 5, resumed: 6, lost: [], corrupt: [], wrong: [] })
      expect(report.damage.lostGhosts).toBeGreaterThan(20)
      expect(report.atRisk).toBeGreaterThan(1_000)
    },
  )

  test('scenario 24: NORMAL loses what was promised, and corrupts nothing', async () => {
    const report = await cutPower(await record({ pragmas: `${often} synchronous=NORMAL` }), {
      images: 400,
      seed: 4,
    })
    console.log(describeReport('NORMAL', report))
    expect(report.lost.filter((what) => what.includes('acknowledged')).length).toBeGreaterThan(50)
    expect(report.lost.filter((what) => what.includes('was said to be')).length).toBeGreaterThan(0)
    expect(report.corrupt).toEqual([])
  })

  test('scenario 24: OFF destroys files', async () => {
    const report = await cutPower(await record({ pragmas: `${often} synchronous=OFF` }), {
      images: 400,
      seed: 5,
    })
    console.log(describeReport('OFF', report))
    expect(report.corrupt.length).toBeGreaterThan(50)
    expect(report.lost.length).toBeGreaterThan(50)
  })
})
