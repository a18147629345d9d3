/** The same package from CommonJS: the list form, on the memory store. */
import assert from 'node:assert/strict'
import { Orchestrator } from 'backstep'

async function main(): Promise<void> {
  const orchestrator = await Orchestrator.open()
  const undone: number[] = []
  const first = { commit: () => 1, rollback: () => void undone.push(1), timeout: 1_000 }
  const second = {
    commit: () => {
      throw new Error('sold out')
    },
    rollback: () => void undone.push(2),
    timeout: 1_000,
  }
  await orchestrator.run([first])
  await assert.rejects(orchestrator.run([first, second]))
  assert.deepEqual(undone, [1])
  await orchestrator.close()
}

main().catch((error: unknown) => {
  process.exitCode = 1
  console.error(error)
})
