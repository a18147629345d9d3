/**
 * The command as a program among others: usage, streams, exit codes, signals, stores that are not there.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backstep, command, Folder, finish, start, Trips } from './processes.js'

const folder = new Folder()
const cwd = folder.path
const store = 'sqlite:trips.db'

beforeAll(async () => {
  const trips = await Trips.start(folder.file('trips.db'))
  await trips.tell({ submit: 'line', id: 'large', input: { blob: 'x'.repeat(500_000) } })
  for (let i = 0; i < 60; i++) await trips.tell({ submit: 'line', id: `order-${i}` })
  await trips.tell({ until: 'committed', id: 'order-59' })
  await trips.tell({ submit: 'line', id: 'unfinished', input: { commit: { first: 'wait' } } })
  await trips.tell({ close: true })
})
afterAll(() => folder.remove())

describe.concurrent('wrong usage: exit code 2, nothing on stdout, the nearest word', () => {
  test.each([
    [['lst'], /unknown command 'lst'[\s\S]*list/],
    [['list', '--stuk'], /unknown option '--stuk'[\s\S]*--stuck/],
    [['--sotre', 'x', 'list'], /unknown option '--sotre'[\s\S]*--store/],
    [['show'], /missing required argument 'id'[\s\S]*backstep show --help/],
    [['show', 'a', 'b'], /too many arguments/],
    [['cancel', 'order-1'], /--reason <text>' not specified/],
    [
      ['resolve', 'order-1', 'first', '--as', 'done', '--reason', 'x'],
      /Allowed choices are rolled_back, committed/,
    ],
    [
      ['resolve', 'order-1', 'first', '--as', 'committed', '--reason', 'x', '--output', '{x'],
      /--output is no JSON/,
    ],
    [['list', '--limit', '0'], /Not a whole number above 0/],
    [['list', '--limit', '5000'], /use a whole number from 1 to 1000/],
    [['list', '--status', 'quued'], /there is no status "quued"/],
    [['list', '--after', 'page'], /not what a page gave/],
    [['prune', '--older-than', 'never'], /no duration: "never"/],
    [['list', '--store', 'trips.db'], /hint: write sqlite:trips.db/],
    [['list', '--store', 'postgress://u:SECRET@h/db'], /no store has the address "postgress:\/\/u@h\/db"\n/],
    [['list', '--store', 'nowhere:7'], /no store has the address "nowhere:7"/],
    [['doctor', '--store', 'memory:'], /lives in its own process/],
    [['simulate', '--saga', '3'], /--sagas/],
    [[], /Usage: backstep/],
  ])('%j', async (args, said) => {
    const { code, stdout, stderr } = await backstep(args, { cwd, env: { BACKSTEP_STORE: store } })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(said)
  })

  test('with --json stdout has the error, and only that', async () => {
    const { code, stdout } = await backstep(['list', '--stuk', '--json'], { cwd })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', message: "unknown option '--stuk'", hint: 'Did you mean --stuck?' },
    })
  })
})

describe.concurrent('a store that is not there', () => {
  test.each(
    ['list', 'show x', 'journal x', 'cancel x --reason x', 'retry x', 'rebind x 2', 'prune', 'doctor'].map(
      (line) => [line],
    ),
  )('%s: exit code 1, a hint that names the way out, and no file is made', async (line) => {
    const empty = new Folder()
    const { code, stdout, stderr } = await backstep(line.split(' '), { cwd: empty.path })
    expect(code).toBe(1)
    expect(stdout + stderr).toMatch(
      /no store sqlite:backstep\.db in [\s\S]*--store sqlite:FILE or BACKSTEP_STORE/,
    )
    expect(readdirSync(empty.path)).toEqual([])
    empty.remove()
  })

  test('an empty file is not made a store by looking', async () => {
    const empty = new Folder()
    writeFileSync(empty.file('backstep.db'), '')
    const { code, stderr } = await backstep(['list'], { cwd: empty.path })
    expect([code, stderr]).toEqual([1, expect.stringContaining('no process has made a store of it')])
    expect(readdirSync(empty.path)).toEqual(['backstep.db'])
    empty.remove()
  })

  test('a folder', async () => {
    const { code, stderr } = await backstep(['list', '--store', `sqlite:${cwd}`])
    expect([code, stderr]).toEqual([1, expect.stringContaining('is a folder')])
  })
})

describe.concurrent('--store and --json', () => {
  const first = (stdout: string) => JSON.parse(stdout.split('\n')[0] ?? '')

  test.each([
    ['behind the command', ['list', '--store', store, '--json', '--limit', '1'], {}],
    ['before it', ['--store', store, '--json', 'list', '--limit', '1'], {}],
    ['BACKSTEP_STORE', ['list', '--json', '--limit', '1'], { BACKSTEP_STORE: store }],
    [
      '--store goes before BACKSTEP_STORE',
      ['list', '--json', '--limit', '1', '--store', store],
      { BACKSTEP_STORE: 'sqlite:x' },
    ],
    [
      'behind goes before before',
      ['--store', 'sqlite:x', 'list', '--json', '--limit', '1', '--store', store],
      {},
    ],
  ])('%s', async (_, args, env) => {
    const { code, stdout, stderr } = await backstep(args, { cwd, env })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(first(stdout).id).toBe('unfinished')
  })

  test('before simulate too, which ignores BACKSTEP_STORE', async () => {
    const { code, stdout } = await backstep(
      ['--json', '--store', 'sqlite:sim.db', 'simulate', '--sagas', '2'],
      {
        cwd,
        env: { BACKSTEP_STORE: store },
      },
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      sagas: 2,
      unfinished: 0,
      violations: 0,
      store: 'sqlite:sim.db',
    })
    const left = await backstep(['list', '--store', 'sqlite:sim.db', '--json'], { cwd })
    expect(left.stdout.trimEnd().split('\n')).toHaveLength(2)
  })
})

test('no colours where stdout is no terminal; --version is the version of the package', async () => {
  const said = await backstep(['show', 'order-1', '--store', store], { cwd, env: { NO_COLOR: '1' } })
  expect(said).toMatchObject({ code: 0, stderr: '' })
  expect(said.stdout).not.toContain('\u001b')
  const { stdout } = await backstep(['--version'])
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('the built command can be executed as a file', async () => {
  const { stdout } = await promisify(execFile)(command, ['--version'])
  expect(stdout).toMatch(/^\d/)
})

describe('streams', () => {
  test('a reader that has seen enough ends it quietly', async () => {
    // The answer is larger than a pipe, so that the command is still writing when the reader leaves.
    const shell = `"${process.execPath}" "${command}" journal large --store ${store} --json | head -c 9; echo "$PIPESTATUS"`
    const child = spawn('bash', ['-c', shell], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const { stdout, stderr } = await finish(child as ReturnType<typeof start>)
    expect([stdout, stderr]).toEqual(['{"type":"0\n', ''])
  })

  test('closed before it writes', async () => {
    const child = start(['list', '--store', store], { cwd })
    child.stdout.destroy()
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const [code] = await once(child, 'close')
    expect([code, said]).toEqual([0, 'there are more: add --after 13\n'])
  })

  test('a stdout that cannot be written is a failure', async () => {
    const child = spawn(
      'bash',
      ['-c', `"${process.execPath}" "${command}" list --store ${store} > /dev/full`],
      {
        cwd,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const { code, stderr } = await finish(child as ReturnType<typeof start>)
    expect([code, stderr]).toEqual([1, expect.stringContaining('ENOSPC')])
  })
})

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  test(`ends a command that waits for a lock: ${code} for a shell`, async () => {
    const locked = new Database(folder.file('trips.db'))
    locked.exec('BEGIN EXCLUSIVE')
    const line = `"${process.execPath}" "${command}" retry unfinished --store ${store} & echo $!; wait $!; echo $?`
    const shell = spawn('bash', ['-c', line], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]()
    const pid = Number((await lines.next()).value)
    // Long enough to be waiting for the lock, also where the machine has more to do.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    process.kill(pid, signal)
    const since = performance.now()
    const last = await lines.next()
    expect(last.value).toBe(String(code))
    // SQLite itself would wait for five seconds.
    expect(performance.now() - since).toBeLessThan(4_000)
    expect(await text(shell.stderr)).toContain(`error: interrupted by ${signal}`)
    locked.exec('COMMIT')
    locked.close()
  })
})
