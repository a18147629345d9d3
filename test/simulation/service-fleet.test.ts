/**
 * Services in processes of their own: where one cannot begin, none is left behind.
 */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { readOptions } from '#dist/simulation/options.js'
import { ServiceFleet } from '#dist/simulation/service-fleet.js'

test('books that cannot be made: it says which service, and ends all three', async () => {
  await expect(ServiceFleet.start('/nowhere/at/all', readOptions({}))).rejects.toThrow(
    /the service \w+ cannot begin: .*directory does not exist/,
  )
  const processes = execFileSync('ps', ['-A', '-o', 'ppid=,args='], { encoding: 'utf8' }).split('\n')
  const ours = processes.filter((line) => line.trim().startsWith(`${process.pid} `))
  expect(ours.filter((line) => line.includes('service-process.js'))).toEqual([])
})
