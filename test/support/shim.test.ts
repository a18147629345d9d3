/** The tool itself: clocks that are an hour off, files that are recorded or fail, in the processes that were meant, and in no others. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { readTape } from '../power/tape.js'
import { describeShim, failingFolder, recordedFolder, shiftedClock, shimEnvironment } from './shim.js'
import { temporaryFolder } from './stores.js'

const hour = 3_600_000

/** Prints, in ns: time, gettimeofday, timespec_get, clock_gettime of REALTIME, REALTIME_COARSE and MONOTONIC. */
const reader = `
  #define _GNU_SOURCE
  #include <stdio.h>
  #include <sys/time.h>
  #include <time.h>
  static void tell(struct timespec at) { printf("%lld%09ld\\n", (long long)at.tv_sec, at.tv_nsec); }
  int main(void) {
    struct timespec at = { time(NULL), 0 };
    tell(at);
    struct timeval day;
    gettimeofday(&day, NULL);
    tell((struct timespec){ day.tv_sec, day.tv_usec * 1000 });
    timespec_get(&at, TIME_UTC);
    tell(at);
    clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC };
    for (int i = 0; i < 3; i++) { clock_gettime(clocks[i], &at); tell(at); }
  }`

describeShim('the shim', () => {
  test.each([hour, -hour, 0, 1.5, -1_500.25])(
    'moves every wall clock of C by %d ms, and no other',
    (shift) => {
      const folder = temporaryFolder()
      writeFileSync(join(folder, 'reader.c'), reader)
      execFileSync('cc', ['-o', join(folder, 'reader'), join(folder, 'reader.c')])
      const read = (env: NodeJS.ProcessEnv) =>
        execFileSync(join(folder, 'reader'), { env, encoding: 'utf8' })
          .trim()
          .split('\n')
          .map((line) => Number(BigInt(line) / 1_000n) / 1_000)
      const shifted = read(shiftedClock(shift).env)
      const plain = read(process.env)
      const moved = shifted.map((at, i) => at - (plain[i] ?? 0))
      // time() counts seconds; between the two readings a process starts, on a busy machine.
      moved.forEach((by, i) => {
        const expected = i === 5 ? 0 : shift
        expect(by).toBeGreaterThan(expected - 10_000)
        expect(by).toBeLessThan(expected + 1_001)
      })
    },
  )

  test('moves the clock of Node, also while it runs; its timers and monotonic clock go on', async () => {
    const clock = shiftedClock(hour)
    const script = `
      process.stdin.on('data', () => {
        const [at, steady] = [Date.now(), performance.now()]
        setTimeout(() => console.log(JSON.stringify([at, new Date().getTime(), performance.now() - steady])), 50)
      })
      console.log('ready')`
    const child = spawn(process.execPath, ['-e', script], {
      env: clock.env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    await lines.next()
    try {
      for (const shift of [hour, -hour, 0]) {
        clock.set(shift)
        const asked = Date.now()
        child.stdin.write('now')
        const [at, later, waited] = JSON.parse((await lines.next()).value) as [number, number, number]
        expect(at - asked - shift).toBeGreaterThanOrEqual(-1)
        expect(Date.now() + shift - later).toBeGreaterThanOrEqual(-1)
        expect([Math.round(waited / 1_000), waited >= 49]).toEqual([0, true])
      }
    } finally {
      child.stdin.end()
      await once(child, 'exit')
    }
  })

  test('a fault that cannot happen is no fault that did not: the process ends', () => {
    const env = shimEnvironment({ BACKSTEP_SHIM_CLOCK: '/nowhere/at/all' })
    expect(() => execFileSync(process.execPath, ['-e', '0'], { env, stdio: 'pipe' })).toThrow(
      'cannot be mapped',
    )
  })

  test('without a section it changes nothing', () => {
    const env = shimEnvironment({})
    const at = Number(execFileSync(process.execPath, ['-p', 'Date.now()'], { env, encoding: 'utf8' }))
    expect(Math.abs(Date.now() - at)).toBeLessThan(10_000)
  })

  const node = (script: string, env: NodeJS.ProcessEnv): string =>
    execFileSync(process.execPath, ['-e', `const fs = require('node:fs'); ${script}`], {
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    })

  test('records what is done to the files of its folder, in order, with the bytes; and to no other', () => {
    const folder = join(temporaryFolder(), 'files')
    const beside = join(temporaryFolder(), 'files-of-others')
    mkdirSync(folder)
    const { env, tape } = recordedFolder(folder)
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    node(
      `const fd = fs.openSync('${a}', 'w+')
       fs.writeSync(fd, Buffer.from('hello'), 0, 5, 7)
       fs.fsyncSync(fd)
       fs.writeSync(fd, 'x')
       fs.ftruncateSync(fd, 3)
       fs.fdatasyncSync(fd)
       fs.writeFileSync('${beside}', 'not this')
       fs.renameSync('${a}', '${b}')
       fs.unlinkSync('${b}')`,
      env,
    )
    const operations = readTape(tape)
    const [opened] = operations
    const file = opened?.kind === 'open' ? opened.file : ''
    expect(operations).toEqual([
      { kind: 'open', file, path: a, made: true, emptied: true },
      { kind: 'write', file, offset: 7, bytes: Buffer.from('hello') },
      { kind: 'syncBegins', file },
      { kind: 'syncEnds', file },
      { kind: 'append', file, bytes: Buffer.from('x') },
      { kind: 'truncate', file, length: 3 },
      { kind: 'syncBegins', file },
      { kind: 'syncEnds', file },
      { kind: 'rename', from: a, to: b },
      { kind: 'unlink', path: b },
    ])
  })

  test('lets the Nth call fail, and as many as it is told, and counts them', () => {
    const folder = temporaryFolder()
    const { env, fault } = failingFolder(folder)
    const name = join(folder, 'a')
    const script = `const fd = fs.openSync('${name}', 'w+')
      const said = []
      for (let i = 0; i < 5; i++) {
        try { fs.fsyncSync(fd); said.push('ok') } catch (error) { said.push(error.code) }
        try { said.push(fs.writeSync(fd, Buffer.from('1234'), 0, 4, 0)) } catch (error) { said.push(error.code) }
      }
      console.log(said.join(' '))`
    fault.order({ kinds: ['sync'], at: 2, times: 2 })
    expect(node(script, env).trim()).toBe('ok 4 EIO 4 EIO 4 ok 4 ok 4')
    expect([fault.seen, fault.failed]).toEqual([5, 2])
    fault.order({ kinds: ['write'], at: 3, times: 2, error: 'ENOSPC', half: true })
    // Node goes on with the other half at once.
    expect(node(script, env).trim()).toBe('ok 4 ok 4 ok 2 ok 4 ok 4')
    expect([fault.seen, fault.failed]).toEqual([6, 2])
    fault.order({ kinds: ['open'], at: 1 })
    expect(() => node(script, env)).toThrow('EIO')
    fault.order({ kinds: ['sync', 'write'], at: 0 })
    expect(node(script, env).trim()).toBe('ok 4 ok 4 ok 4 ok 4 ok 4')
    expect([fault.seen, fault.failed]).toEqual([10, 0])
    fault.lift()
    node(script, env)
    expect(fault.seen).toBe(10)
    expect(readFileSync(name, 'utf8')).toBe('1234')
  })
})
