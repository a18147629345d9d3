/**
 * One PostgreSQL for the whole run of the tests, started by the first test file that asks for it.
 *
 * Invariants
 * - Test files run in processes of their own, so they ask over loopback; those that ask at once get the same server.
 * - It ends with the run, also with one that fails or is killed (see src/cli/throwaway-postgres.ts).
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import type { ThrowawayPostgres } from '#dist/cli/throwaway-postgres.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Port of the one who starts PostgreSQL, and tells its address. */
    readonly postgresDoor: number
  }
}

async function start(): Promise<ThrowawayPostgres> {
  // Loaded late: dist/ need not be there for a run that never asks.
  const { ThrowawayPostgres } = await import('#dist/cli/throwaway-postgres.js')
  return ThrowawayPostgres.start()
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<ThrowawayPostgres> | undefined
  const door = createServer(async (_request, response) => {
    server ??= start()
    const told = await server.then(
      ({ address }) => ({ address }),
      (error: unknown) => ({ error: String(error) }),
    )
    response.end(JSON.stringify(told))
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  project.provide('postgresDoor', (door.address() as AddressInfo).port)
  return async () => {
    door.close()
    const started = await server?.catch(() => undefined)
    await started?.remove()
  }
}
