/**
 * The hostage's calls wait as long as somebody is still to be killed, and what the dead had asked for lands.
 */
import { expect, test } from 'vitest'
import { Hostage } from '#dist/simulation/hostage.js'
import { readOptions } from '#dist/simulation/options.js'

test('only the last trip waits; the calls of those who are gone go on after a kill, all of them after the last', async () => {
  const hostage = new Hostage(readOptions({ sagas: 10, kill: 2 }))
  const went: string[] = []
  const call = (name: string, trip: number, isGone: () => boolean) =>
    hostage.mayCall(trip, isGone).then(() => went.push(name))
  await call('another trip', 8, () => false)
  const dead = call('of the dead', 9, () => true)
  const living = call('of the living', 9, () => false)
  expect(went).toEqual(['another trip'])
  hostage.release(false)
  await dead
  expect(went).toEqual(['another trip', 'of the dead'])
  hostage.release(true)
  await living
  await call('after the last kill', 9, () => false)
  expect(went).toEqual(['another trip', 'of the dead', 'of the living', 'after the last kill'])
})

test('without kills nobody waits', async () => {
  await new Hostage(readOptions({ sagas: 10 })).mayCall(9, () => false)
})
