/**
 * Scenario 24, a sample: the power is cut while sagas run on SQLite. All of it, and what else was tried, is in power.long.ts.
 */
import { expect, test } from 'vitest'
import { describeShim } from '../support/shim.js'
import { cutPower, describeReport } from './cuts.js'
import { record } from './record.js'

/** So that the WAL is checkpointed, and begun anew, every few sagas: the product does so every 4,000 pages. */
const pragmas = 'wal_autocheckpoint=40'

describeShim('power cuts', () => {
  test('scenario 24: nothing that was promised is lost, and no file is corrupt', async () => {
    const report = await cutPower(await record({ pragmas, sagas: 14 }), { images: 200, seed: 24, resumed: 4 })
    console.log(describeReport('FULL', report))
    expect(report).toMatchObject({ images: 200, hows: 5, resumed: 4, lost: [], corrupt: [], wrong: [] })
    expect(report.moments).toBeGreaterThan(100)
    expect(report.damaged).toBeGreaterThan(80)
    expect(report.damage.tornSectors).toBeGreaterThan(150)
    expect(report.damage.lostNames).toBeGreaterThan(0)
    expect(report.atRisk).toBeGreaterThan(1_000)
    expect(report.unfinished).toBeGreaterThan(0)
  }, 60_000)

  test('scenario 24: the harness sees what a weaker setting loses: NORMAL loses promises, OFF destroys files', async () => {
    const normal = await record({ pragmas: `${pragmas} synchronous=NORMAL`, sagas: 10 })
    const weaker = await cutPower(normal, { images: 40, seed: 24 })
    console.log(describeReport('NORMAL', weaker))
    expect(weaker.lost.some((what) => what.includes('acknowledged'))).toBe(true)
    expect(weaker.corrupt).toEqual([])
    const off = await record({ pragmas: `${pragmas} synchronous=OFF`, sagas: 10 })
    const weakest = await cutPower(off, { images: 40, seed: 24 })
    console.log(describeReport('OFF', weakest))
    expect(weakest.corrupt.length).toBeGreaterThan(0)
    expect(weakest.lost.length).toBeGreaterThan(0)
  }, 60_000)
})
