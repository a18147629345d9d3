/** docs/definition-file.md shows what is so: its file loads, and its table of outcomes is the one that decides. */
import { readFileSync } from 'node:fs'
import { barrier } from 'backstep/barrier'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { parseDefinitions } from '#dist/remote/index.js'
import { commitOutcome, type Heard, rollbackOutcome } from '#dist/remote/outcome.js'

const page = readFileSync(new URL('../../docs/definition-file.md', import.meta.url), 'utf8')

test('the file that the page shows loads', () => {
  const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(page) ?? []
  expect(parseDefinitions(yaml).map(({ plan }) => plan.shape)).toEqual([
    'flight > hotel | lounge > payment! > mail',
  ])
})

test('the tables that participants are to make are those of the barrier, on SQLite as it says', () => {
  const contract = readFileSync(new URL('../../docs/participants.md', import.meta.url), 'utf8')
  const [, sql = ''] = /```sql\n(.*?)```/s.exec(contract) ?? []
  const db = new Database(':memory:')
  db.exec(sql.replace(/\);(?=\n(CREATE|INSERT))/g, ') STRICT;'))
  expect(db.prepare("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%STRICT%'").pluck().get()).toBe(3)
  const call = { idempotencyKey: '019a0000-0000-7000-8000-000000000001:flight:commit', token: 3 }
  expect(barrier(db).commit(call, () => ({ id: 1 }))).toEqual({ id: 1 })
})

const rows = page
  .slice(page.indexOf('## What an answer means'))
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) => line.split('|').map((cell) => cell.trim()))

/** What the cell of a row is about: every status that it names, or what else it describes. */
function heardIn(cell: string): readonly (readonly [name: string, heard: Heard])[] {
  if (cell.startsWith('never reached')) return [['unreached', { is: 'unreached' }]]
  if (cell.startsWith('sent, and then')) return [['lost', { is: 'lost' }]]
  if (cell.startsWith('not sent')) return [['refused', { is: 'refused' }]]
  if (cell.startsWith('such a status')) {
    return (['cut', 'not_json', 'too_large'] as const).map((is) => [
      is,
      { is: 'answered', status: 200, body: { is } },
    ])
  }
  // `503` with, `503` without; "but `202`" is another row's.
  const named = cell.replace(/ but .*/, '').matchAll(/`(\d{3})`( with)?/g)
  return [...named].map(([text, status, waits]) => {
    const says = waits && !cell.includes('without') ? { retryAfter: 7_000 } : {}
    return [text, { is: 'answered', status: Number(status), body: { is: 'none' }, ...says }]
  })
}

const words: Readonly<Record<string, string>> = {
  committed: 'committed',
  done: 'done',
  'in doubt': 'in_doubt',
  pending: 'pending',
  rejected: 'rejected',
  failed: 'failed',
}
const wordIn = (cell: string): string | undefined =>
  words[/^(committed|done|in doubt|pending|rejected|failed)/.exec(cell)?.[0] ?? '']

describe('every row of the table of outcomes', () => {
  test('is there', () => {
    expect(rows).toHaveLength(12)
  })

  test.each(rows)('|%s%s | %s | %s', (_, heardCell = '', commitCell = '', rollbackCell = '') => {
    const heard = heardIn(heardCell)
    expect(heard).not.toEqual([])
    for (const [name, one] of heard) {
      const commit = commitOutcome(one)
      const again = commit.is === 'rejected' && commit.retryAfter !== undefined
      expect([name, commit.is, again]).toEqual([
        name,
        wordIn(commitCell),
        commitCell.includes('if `retry` has'),
      ])
      const rollback = rollbackOutcome(one)
      // A rollback that is still going on is a failed attempt to the saga.
      expect([name, rollback.is === 'pending' ? 'failed' : rollback.is]).toEqual([name, wordIn(rollbackCell)])
    }
  })
})
