/**
 * `backstep migrate`: brings a store to the schema of this version, before the processes that need it start.
 *
 * Invariant: opening a store migrates it, here as everywhere, under the store's own lock; so this may run beside anything.
 */
import type { Command } from 'commander'
import { storeAt } from '../runtime/address.js'
import { addCommand, atPlace } from './command.js'
import { fileOf } from './desk.js'

export function registerMigrate(program: Command): void {
  addCommand(program, {
    usage: 'migrate',
    summary: 'bring a store to the schema of this version',
    more: `Whatever opens a store to run sagas migrates it too: this is for those who want it done first, or under another
user. On PostgreSQL it makes the schema; a SQLite file must be there already. An older version
refuses a newer schema.`,
    json: 'one object: {"schema": number of migrations, "engine": text}',
    examples: [
      ['backstep migrate --store postgres://owner@db.example/app', 'before a deployment'],
      ['backstep migrate --store sqlite:trips.db', 'a file'],
    ],
  }).action(
    atPlace(async ({ address, terminal }) => {
      fileOf(address)
      const store = await storeAt(address)
      await store.open()
      try {
        const { schema, engine } = await store.health()
        terminal.answer({ schema, engine }, `schema ${schema}, ${engine}`)
      } finally {
        await store.close()
      }
      return 0
    }),
  )
}
