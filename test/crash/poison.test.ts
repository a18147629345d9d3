/**
 * Sagas that kill their process, with innocent ones running beside them: the poison ends, the others come to no harm (P8).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Orchestrator } from 'backstep'
import { expect, test } from 'vitest'
import { judgeSaga, readLedger } from '../support/ledger.js'
import { describeShared } from '../support/shared-places.js'
import { temporaryFolder } from '../support/stores.js'

const script = fileURLToPath(new URL('poison-child.mjs', import.meta.url))

/** Starts it again and again, as a supervisor would, until it ends by itself. Returns how often it died by SIGKILL. */
async function supervise(config: object): Promise<number> {
  for (let deaths = 0; deaths < 60; deaths++) {
    const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(config)], {
      stdio: 'inherit',
    })
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (code === 0) return deaths
    expect([code, signal]).toEqual([null, 'SIGKILL'])
  }
  throw new Error('it died 60 times')
}

describeShared('poison', (place) => {
  // Longer than elsewhere: who loses it on a busy machine counts as one of the three that died.
  const lease = place.lease === undefined ? undefined : 2 * place.lease
  test('scenario 10a: a commit that kills its process each time: three times, then its saga rolls back; the innocents commit', async () => {
    const folder = temporaryFolder()
    const config = {
      address: await place.address(),
      lease,
      ledger: join(folder, 'ledger'),
      innocents: 40,
      poison: 'commit',
    }
    expect(await supervise(config)).toBe(3)
    await using reader = await Orchestrator.open(config.address, { work: false, log: false })
    const lines = readLedger(config.ledger)
    expect(await reader.get('poison')).toMatchObject({
      status: 'rolled_back',
      wayBack: { reason: 'crash_loop', step: 'two' },
    })
    expect(
      lines.filter(({ saga, step, outcome }) => saga === 'poison' && step === 'two' && outcome === 'begun'),
    ).toHaveLength(4)
    const wrong = await judgeSaga(reader, 'poison', lines)
    let beside = 0
    for (let i = 0; i < config.innocents; i++) {
      const id = `innocent-${i}`
      wrong.push(...(await judgeSaga(reader, id, lines)))
      if ((await reader.get(id))?.status !== 'committed') wrong.push(`${id} did not commit`)
      if (lines.some(({ saga, attempt }) => saga === id && attempt > 1)) beside++
    }
    expect(wrong).toEqual([])
    // It did not die alone: calls of innocents were open when it did, and were made again.
    expect(beside).toBeGreaterThan(0)
  }, 120_000)

  test('P8: a rollback that kills its process: tried for ever; the innocents commit all the same', async () => {
    const folder = temporaryFolder()
    const config = {
      address: await place.address(),
      lease,
      ledger: join(folder, 'ledger'),
      innocents: 30,
      poison: 'rollback',
      deaths: place.lease === undefined ? 8 : 3,
    }
    expect(await supervise(config)).toBe(config.deaths)
    await using reader = await Orchestrator.open(config.address, { work: false, log: false })
    const lines = readLedger(config.ledger)
    expect(await reader.get('poison')).toMatchObject({
      status: 'rolled_back',
      wayBack: { reason: 'rejected' },
    })
    const wrong = await judgeSaga(reader, 'poison', lines)
    for (let i = 0; i < config.innocents; i++) {
      wrong.push(...(await judgeSaga(reader, `innocent-${i}`, lines)))
      if ((await reader.get(`innocent-${i}`))?.status !== 'committed')
        wrong.push(`innocent-${i} did not commit`)
    }
    expect(wrong).toEqual([])
  }, 120_000)
})
