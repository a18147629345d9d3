/**
 * What a person sees, as files that a person can read: test/cli/golden/. Times, sizes and processes are made the same.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backstep, Folder, normalised, Trips } from './processes.js'

const folder = new Folder()
const file = folder.file('trips.db')
const store = `sqlite:${file}`
let trips: Trips

beforeAll(async () => {
  trips = await Trips.start(file)
  await trips.tell({ submit: 'trip', id: 'order-1', input: { from: 'OSL', to: 'LIS' } })
  const stuck = { keys: ['account:42'], commit: { payment: 'refuse' }, rollback: { hotel: 'fail' } }
  await trips.tell({ submit: 'trip', id: 'order-2', input: stuck })
  await trips.tell({ until: 'stuck', id: 'order-2' })
  await trips.tell({ submit: 'trip', id: 'order-3', input: { keys: ['account:42', 'account:7'] } })
  await trips.tell({ submit: 'line', id: 'order-4', input: { commit: { last: 'paint' } } })
  await trips.tell({ until: 'rolled_back', id: 'order-4' })
  await trips.tell({ until: 'committed', id: 'order-1' })
})
afterAll(async () => {
  await trips.kill()
  folder.remove()
})

test.each([
  ['list', 'list', ['list']],
  ['show, committed', 'show-committed', ['show', 'order-1']],
  ['show, stuck', 'show-stuck', ['show', 'order-2']],
  ['show, queued behind it', 'show-queued', ['show', 'order-3']],
  ['show, rolled back, with an error that would drive the terminal', 'show-hostile', ['show', 'order-4']],
  ['journal', 'journal', ['journal', 'order-4']],
])('%s', async (_, name, args) => {
  const { code, stdout, stderr } = await backstep([...args, '--store', store])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  // Columns are as wide as the times in them.
  const shown = name === 'list' ? normalised(stdout).replace(/ {2,}/g, '  ') : normalised(stdout)
  await expect(shown).toMatchFileSnapshot(`golden/${name}.txt`)
})

test('doctor: a stuck saga, with remedies to type', async () => {
  const { code, stdout } = await backstep(['doctor', '--store', 'sqlite:trips.db'], { cwd: folder.path })
  expect(code).toBe(1)
  const engine = /SQLite [\d.]+/g
  // Whether a WAL is there depends on who closed the file last, and when.
  const wal = / and [\d.]+ [kMG]?B of WAL/
  await expect(normalised(stdout.replace(engine, 'SQLite VERSION').replace(wal, ''))).toMatchFileSnapshot(
    'golden/doctor.txt',
  )
})

test.each(['', 'serve', 'list', 'resolve', 'doctor', 'simulate'])(
  '%s --help fits 80 columns',
  async (name) => {
    const { code, stdout, stderr } = await backstep([...name.split(' ').filter(Boolean), '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
    await expect(stdout).toMatchFileSnapshot(`golden/help-${name || 'all'}.txt`)
  },
)

test('every command has examples and says what --json prints', async () => {
  const { stdout } = await backstep(['--help'])
  const names = [...stdout.matchAll(/^ {2}([a-z]+) .{10,}/gm)].map(([, name]) => name ?? '')
  expect(names).toEqual(
    expect.arrayContaining('simulate list show journal cancel retry resolve rebind prune doctor'.split(' ')),
  )
  const commands = names.filter((name) => !['help', 'backstep'].includes(name))
  const helps = await Promise.all(commands.map((name) => backstep([name, '--help'])))
  for (const [i, help] of helps.entries()) {
    expect(help.stdout, commands[i]).toContain('Examples:')
    expect(help.stdout, commands[i]).toMatch(/--json/)
  }
})
