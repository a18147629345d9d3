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
    { pragmas: often, seed: 1, images: 2_000 },
    { pragmas: 'wal_autocheckpoint=7', seed: 2, images: 400 },
  ])(
    'scenario 24: $images images with $pragmas, none lost, none corrupt',
    async ({ pragmas, seed, images }) => {
      const resumed = images / 40
      const report = await cutPower(await record({ pragmas }), { images, seed, resumed })
      console.log(describeReport(`FULL, ${pragmas}`, report))
      expect(report).toMatchObject({ images, hows: 5, resumed, lost: [], corrupt: [], wrong: [] })
      expect(report.moments).toBeGreaterThan(images / 2)
      expect(report.damaged).toBeGreaterThan(images / 2)
      expect(report.damage.tornSectors).toBeGreaterThan(images)
      expect(report.damage.lostTruncations).toBeGreaterThan(0)
      expect(report.damage.lostNames).toBeGreaterThan(images / 4)
      expect(report.atRisk).toBeGreaterThan(images * 10)
      expect(report.unfinished).toBeGreaterThan(images / 20)
    },
  )

  test('scenario 24: as the product sets it, with a WAL that is checkpointed by its volume', async () => {
    const recording = await record({ sagas: 60, bulk: 600_000 })
    // 4,000 pages with their headers: the next commit checkpoints.
    expect(longestWal(recording)).toBeGreaterThan(4_000 * 4_120)
    const report = await cutPower(recording, { images: 60, seed: 3, resumed: 2 })
    console.log(describeReport('FULL, the product alone', report))
    expect(report).toMatchObject({ images: 60, hows: 5, resumed: 2, lost: [], corrupt: [], wrong: [] })
    expect(report.damaged).toBeGreaterThan(30)
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
