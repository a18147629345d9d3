/**
 * The simulation as a command: what goes where, the exit codes, kills, and signals.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { Report } from '#dist/simulation/index.js'

const script = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const start = (...flags: string[]) =>
  spawn(process.execPath, [script, 'simulate', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })

async function finish(child: ReturnType<typeof start>) {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code: code as number }
}

function reportOf(stdout: string): Report {
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Report
  folders.push(report.books)
  return report
}

test('a table for people on stdout, talk on stderr', async () => {
  const { stdout, stderr, code } = await finish(start('--sagas', '20', '--seed', '5'))
  expect(code).toBe(0)
  expect(stdout).toMatch(/committed\s+│\s+\d+/)
  expect(stdout).toContain('Every trip is whole or wholly undone')
  expect(stderr).toContain(
    '20 trips, 5% of all calls fail, services in processes of their own, one at a time, seed 5',
  )
  // Not a terminal: no colours, no bar.
  expect(stdout + stderr).not.toContain('\u001b')
  folders.push(/books (\S+)/.exec(stdout)?.[1] ?? '')
})

test('--json: the last line of stdout is one object with all the figures', async () => {
  const { stdout, code } = await finish(start('--sagas', '20', '--seed', '5', '--json'))
  expect(code).toBe(0)
  const report = reportOf(stdout)
  expect(report).toMatchObject({ sagas: 20, unfinished: 0, violations: 0, kills: 0, seed: 5 })
  for (const figure of [
    'committed',
    'rolledBack',
    'commitFailures',
    'rollbackFailures',
    'timeouts',
    'seconds',
    'sagasPerSecond',
  ]) {
    expect(report).toHaveProperty(figure, expect.any(Number))
  }
  expect(report.store).toMatch(/^sqlite:/)
})

test.each([
  [['--sagas', '0'], '--sagas'],
  [['--failure-rate', '1'], '--failure-rate'],
  [['--kill', '2', '--store', 'memory:'], 'memory'],
  [['--store', 'nowhere:7'], 'nowhere:7'],
])('%j: refused with a hint, code 2, nothing on stdout', async (flags, named) => {
  const { stdout, stderr, code } = await finish(start(...flags))
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(named)
  expect(stderr).toContain('hint:')
})

test('no place for the books: a message, no stack', async () => {
  const env = { ...process.env, TMPDIR: '/nowhere' }
  const child = spawn(process.execPath, [script, 'simulate'], { stdio: ['ignore', 'pipe', 'pipe'], env })
  const { stderr, code } = await finish(child)
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^error: the services' books have no place: ENOENT.*\n {2}hint: TMPDIR names another one\n$/,
  )
})

test('--json: what is refused is told in JSON, as by every command', async () => {
  const { stdout, code } = await finish(start('--sagas', 'many', '--json'))
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'BAD_INPUT', message: expect.stringContaining('--sagas'), hint: expect.any(String) },
  })
})

describe('--kill', () => {
  test.each([
    // Every third kill takes a service with it, where nobody else would run on without it.
    ['spread over a run', ['--sagas', '60', '--kill', '3'], { serviceKills: 1, inProcess: false }],
    ['more kills than trips', ['--sagas', '2', '--kill', '3'], { serviceKills: 1, inProcess: false }],
    [
      'side by side, with keys',
      ['--sagas', '150', '--kill', '3', '--concurrency', '16', '--keys', '10'],
      { serviceKills: 1, inProcess: false },
    ],
    [
      'three processes on one store',
      ['--sagas', '150', '--kill', '4', '--workers', '3', '--concurrency', '4'],
      { serviceKills: 0, inProcess: false },
    ],
    [
      'with services that nobody kills',
      ['--sagas', '100', '--kill', '3', '--workers', '2', '--in-process'],
      { serviceKills: 0, inProcess: true },
    ],
  ])(
    '%s: every kill happens, every trip ends whole or undone',
    async (_, flags, wanted) => {
      const { stdout, stderr, code } = await finish(start(...flags, '--failure-rate', '0.1', '--json'))
      const report = reportOf(stdout)
      expect(report, stderr).toMatchObject({
        unfinished: 0,
        violations: 0,
        details: [],
        kills: Number(flags[3]),
        ...wanted,
      })
      expect(code).toBe(0)
    },
    60_000,
  )
})

describe('signals', () => {
  /** Waits until trips are being booked. */
  async function going(child: ReturnType<typeof start>): Promise<void> {
    let seen = ''
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      seen += String(chunk)
      if (!/[1-9]\d*\/\d+ trips/.test(seen)) continue
      folders.push(/sqlite:(\S+)\/backstep\.db/.exec(seen)?.[1] ?? '')
      return
    }
    throw new Error(`it ended before it was going: ${seen}`)
  }

  test.each([
    ['SIGINT', 130, []],
    ['SIGTERM', 143, []],
    ['SIGINT', 130, ['--kill', '3']],
  ] as const)(
    '%s ends it gracefully with code %i (%j)',
    async (signal, expected, flags) => {
      const child = start('--sagas', '100000', '--json', ...flags)
      await going(child)
      child.kill(signal)
      const { stdout, code } = await finish(child)
      const report = reportOf(stdout)
      expect(code).toBe(expected)
      expect(report).toMatchObject({ interrupted: true, violations: 0 })
      expect(report.unfinished).toBeGreaterThan(0)
    },
    40_000,
  )

  /** As a terminal does it: to all of the group in front. */
  const startInFront = (...flags: string[]) =>
    spawn(process.execPath, [script, 'simulate', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
  const ctrlC = (child: ReturnType<typeof start>) => process.kill(-(child.pid as number), 'SIGINT')

  test('Ctrl-C while the services are being started: they are not hit, and it ends gracefully', async () => {
    const child = startInFront('--sagas', '1000', '--json')
    const ours = new RegExp(`^\\s*${child.pid} .*service-process`, 'm')
    await expect
      .poll(() => execFileSync('ps', ['-A', '-o', 'ppid=,args='], { encoding: 'utf8' }), { timeout: 20_000 })
      .toMatch(ours)
    ctrlC(child)
    const { stdout, stderr, code } = await finish(child)
    expect(code, stderr).toBe(130)
    expect(reportOf(stdout)).toMatchObject({ interrupted: true, violations: 0 })
  }, 40_000)

  test("Ctrl-C while the orchestrators' processes are being started: nobody waits for them", async () => {
    const child = startInFront('--sagas', '1000', '--workers', '3', '--json')
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes('watch it at')) break
    }
    ctrlC(child)
    const sent = performance.now()
    const { stdout, code } = await finish(child)
    expect(code).toBe(130)
    expect(reportOf(stdout)).toMatchObject({ interrupted: true, violations: 0 })
    expect(performance.now() - sent).toBeLessThan(12_000)
  }, 40_000)

  test('a second one ends it at once, with trips under way that take long', async () => {
    const child = start(
      '--sagas',
      '100000',
      '--json',
      '--in-process',
      '--failure-rate',
      '0.9',
      '--concurrency',
      '64',
    )
    await going(child)
    child.kill('SIGINT')
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes('once more')) break
    }
    const sent = performance.now()
    child.kill('SIGINT')
    const { stdout, code } = await finish(child)
    expect([code, stdout]).toEqual([130, ''])
    expect(performance.now() - sent).toBeLessThan(3_000)
  }, 40_000)

  test('with --keep the page stays open after the report, until a signal', async () => {
    const child = start('--sagas', '10', '--json', '--keep')
    let stderr = ''
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      stderr += String(chunk)
      if (stderr.includes('stays open')) break
    }
    const page = /watch it at (\S+)/.exec(stderr)?.[1] ?? ''
    expect((await fetch(`${page}livez`)).status).toBe(200)
    child.kill('SIGINT')
    const { stdout, code } = await finish(child)
    expect(reportOf(stdout)).toMatchObject({ sagas: 10, interrupted: false, violations: 0 })
    expect(code).toBe(0)
  }, 40_000)
})
