/**
 * Stepping in from the command line, beside a process that runs the sagas on the same file.
 */
import { userInfo } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backstep, Folder, Trips } from './processes.js'

const folder = new Folder()
const store = `sqlite:${folder.file('trips.db')}`
let trips: Trips

beforeAll(async () => {
  trips = await Trips.start(folder.file('trips.db'))
})
afterAll(async () => {
  await trips.kill()
  folder.remove()
})

const run = (...args: string[]) => backstep([...args, '--store', store])

/** What a command prints with --json: one line, one object, and no talk. */
async function json(...args: string[]) {
  const { stdout, stderr, code } = await run(...args, '--json')
  expect(stdout.split('\n')).toHaveLength(2)
  return { value: JSON.parse(stdout), stderr, code }
}

/** Submits a saga whose rollback does not work, and waits until it is stuck. */
async function stuckSaga(id: string, keys: string[] = []): Promise<void> {
  const input = { keys, commit: { last: 'refuse' }, rollback: { first: 'fail' } }
  await trips.tell({ submit: 'line', id, input })
  await trips.tell({ until: 'stuck', id })
}

test('a stuck saga is resolved by hand while its process runs; the saga behind it goes on', async () => {
  await stuckSaga('stuck-1', ['account:42'])
  await trips.tell({ submit: 'line', id: 'behind-1', input: { keys: ['account:42'] } })
  const { value: waiting } = await json('show', 'behind-1')
  expect(waiting.why).toBe('queued behind saga stuck-1, which holds key account:42 and is stuck')

  const { stdout, code } = await run(
    'resolve',
    'stuck-1',
    'first',
    '--as',
    'rolled_back',
    '--reason',
    'by phone',
    '--actor',
    'ada',
  )
  expect({ stdout, code }).toEqual({ stdout: 'first of stuck-1 counts as rolled_back\n', code: 0 })

  await trips.tell({ until: 'rolled_back', id: 'stuck-1' })
  await trips.tell({ until: 'committed', id: 'behind-1' })
  const { value } = await json('show', 'stuck-1')
  expect(value.byHand).toMatchObject([
    { type: 'resolved', step: 'first', as: 'rolled_back', reason: 'by phone', actor: 'ada' },
  ])
  expect((await run('show', 'stuck-1')).stdout).toMatch(/ada resolved first as rolled_back: by phone/)
})

describe('cancel', () => {
  test('ends the commit under way and rolls back; a second cancel is told so', async () => {
    await trips.tell({ submit: 'trip', id: 'cancel-1', input: { commit: { payment: 'hang' } } })
    const first = await run('cancel', 'cancel-1', '--reason', 'the customer called')
    expect(first).toMatchObject({ code: 0, stdout: 'cancel-1 cancelled\n' })
    await trips.tell({ until: 'rolled_back', id: 'cancel-1' })

    const second = await run('cancel', 'cancel-1', '--reason', 'again')
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toMatch(/cancel-1: it has ended: rolled_back\n {2}hint: see how it went with/)
    const { value } = await json('show', 'cancel-1')
    // Without --actor it is the user at this machine.
    expect(value.wayBack).toEqual({
      reason: 'cancelled',
      message: 'the customer called',
      actor: userInfo().username,
    })
  })

  test('of a saga that is rolling back changes nothing', async () => {
    await stuckSaga('cancel-2')
    const { value, code } = await json('cancel', 'cancel-2', '--reason', 'x')
    expect({ value, code }).toEqual({ value: { id: 'cancel-2', result: 'already_rolling_back' }, code: 0 })
    expect((await json('show', 'cancel-2')).value.wayBack.reason).toBe('rejected')
  })

  test('of a queued saga ends it at once', async () => {
    await stuckSaga('cancel-3', ['k'])
    await trips.tell({ submit: 'line', id: 'queued-3', input: { keys: ['k'] } })
    expect((await json('cancel', 'queued-3', '--reason', 'x')).value.result).toBe('cancelled')
    expect((await json('show', 'queued-3')).value).toMatchObject({ status: 'rolled_back', steps: [{}, {}] })
  })
})

test('retry makes the process try at once', async () => {
  await stuckSaga('retry-1')
  expect((await json('show', 'retry-1')).value.why).toMatch(
    /^stuck, waiting .* for attempt 2 of the rollback/,
  )
  expect((await json('retry', 'retry-1')).value).toEqual({ id: 'retry-1', result: 'retry_requested' })
  await expect
    .poll(async () => (await json('show', 'retry-1')).value.steps[0], { timeout: 10_000 })
    .toMatchObject({ rollback: 'waiting', rollbackAttempts: 2 })
})

test('resolve as committed hands the output to the steps behind', async () => {
  await trips.tell({ submit: 'line', id: 'wait-1', input: { commit: { first: 'wait' } } })
  const args = [
    'resolve',
    'wait-1',
    'first',
    '--as',
    'committed',
    '--reason',
    'it did',
    '--output',
    '{"id":9}',
  ]
  expect((await json(...args)).value).toEqual({ id: 'wait-1', step: 'first', result: 'committed' })
  await trips.tell({ until: 'committed', id: 'wait-1' })
  expect((await json('show', 'wait-1')).value.outputs).toEqual({ first: { id: 9 }, last: { id: 'last-1' } })
})

describe.concurrent('refused, with exit code 1 and nothing done', () => {
  test.each([
    ['an unknown saga', ['show', 'nobody'], 'NOT_FOUND'],
    ['its journal', ['journal', 'nobody'], 'NOT_FOUND'],
    ['its cancel', ['cancel', 'nobody', '--reason', 'x'], 'NOT_FOUND'],
    [
      'a step that it does not have',
      ['resolve', 'refused-1', 'wheel', '--as', 'committed', '--reason', 'x'],
      'NOT_RESOLVABLE',
    ],
    ['a version that nobody has offered', ['rebind', 'refused-1', '9'], 'NOT_REBINDABLE'],
  ])('%s', async (_, args, code) => {
    await trips.tell({ submit: 'line', id: 'refused-1', input: { commit: { first: 'wait' } } })
    const said = await json(...args)
    expect(said.code).toBe(1)
    expect(said.value.error).toMatchObject({ code, message: expect.any(String), hint: expect.any(String) })
    expect(said.stderr).toContain(said.value.error.message)
  })
})

test('prune forgets what ended; the rest stays', async () => {
  await trips.tell({ submit: 'line', id: 'old-1' })
  await trips.tell({ until: 'committed', id: 'old-1' })
  expect((await json('prune')).value).toEqual({ pruned: 0 })
  const { value } = await json('prune', '--older-than', '0s', '--limit', '1')
  expect(value).toEqual({ pruned: 1 })
  const rest = await json('prune', '--older-than', '0s')
  expect(rest.value.pruned).toBeGreaterThan(0)
  expect((await run('show', 'old-1')).code).toBe(1)
  expect((await json('show', 'retry-1')).value.status).toBe('rolling_back')
})

describe('scenario 16: ids are found again byte for byte, or refused', () => {
  const odd = [
    '../x',
    '🦊',
    '--',
    '-x',
    '--json',
    "it's",
    '$(id)',
    '%s',
    '\\',
    'a b',
    '\u202eevil',
    'x'.repeat(256),
  ]

  test.concurrent.each(odd.map((id) => [id.slice(0, 20), id]))('%j', async (_, id) => {
    await trips.tell({ submit: 'line', id })
    const said = await backstep(['show', '--json', '--store', store, '--', id])
    expect(said.code, said.stderr).toBe(0)
    expect(JSON.parse(said.stdout).id).toBe(id)
  })

  test('in a list too', async () => {
    const { stdout } = await run('list', '--json', '--limit', '1000')
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id)
    expect(ids).toEqual(expect.arrayContaining(odd))
  })

  test.concurrent.each(
    ['', ' ', ' x', 'a\nb', '\u001b[2J', 'x'.repeat(10_000)].map((id) => [id.slice(0, 20), id]),
  )('%j is refused as wrong usage', async (_, id) => {
    const { code, stdout, stderr } = await backstep(['show', '--store', store, '--', id])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/cannot be used\n {2}hint: /)
    expect(stderr.length).toBeLessThan(500)
  })
})

test('list: filters, pages, order', async () => {
  const lines = async (...args: string[]) => {
    const { stdout, code, stderr } = await run('list', '--json', ...args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }
  for (const id of ['page-1', 'page-2', 'page-3']) await trips.tell({ submit: 'line', id })
  const [newest] = await lines('--limit', '1')
  expect(newest.id).toBe('page-3')
  const [before] = await lines('--limit', '1', '--after', newest.cursor)
  expect(before.id).toBe('page-2')
  const [next] = await lines('--limit', '1', '--after', before.cursor, '--order', 'oldest')
  expect(next.id).toBe('page-3')
  const stuck = await lines('--stuck')
  expect(stuck.map(({ id }) => id)).toContain('retry-1')
  expect(stuck.every((saga) => saga.stuck && saga.status === 'rolling_back')).toBe(true)
  expect(await lines('--name', 'trip', '--status', 'queued,running')).toEqual([])
  expect(await lines('--blocked')).toEqual([])
  expect(await lines('--late')).toEqual([])
  const people = await run('list', '--limit', '1')
  expect(people.stderr).toBe(`there are more: add --after ${newest.cursor}\n`)
})

test('the command never claims: nothing moves while no process runs', async () => {
  await trips.tell({ submit: 'line', id: 'idle-1', input: { commit: { first: 'wait' } } })
  await trips.kill()
  const before = (await run('journal', 'idle-1', '--json')).stdout
  const said = await run('retry', 'idle-1')
  expect(said).toMatchObject({ code: 0, stderr: 'blocked: no live process offers line@1\n' })
  await run('doctor')
  await run('list')
  const after = (await run('journal', 'idle-1', '--json')).stdout
  expect(after.startsWith(before)).toBe(true)
  expect(after.slice(before.length)).toMatch(/^\{"type":"retry_requested".*\}\n$/)
  const { value } = await json('doctor')
  expect(value.workers.filter((worker: { alive: boolean }) => worker.alive)).toEqual([])
})

test('migrate says at which schema a store is', async () => {
  const { code, value } = await json('migrate')
  expect({ code, value }).toEqual({
    code: 0,
    value: { schema: 1, engine: expect.stringContaining('SQLite') },
  })
})
