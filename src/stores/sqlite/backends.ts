/**
 * Where the database runs: in a worker thread, or inline.
 *
 * Invariants
 * - The event loop never waits for the disk or a lock while the database runs in a thread.
 * - The thread keeps the process alive only while an answer is due: an open store that nobody uses does not hang a script.
 */
import { Worker } from 'node:worker_threads'
import { StoreError } from '../../core/errors.js'
import { unpack } from './answers.js'
import { loadDriver } from './connection.js'
import { Database } from './database.js'
import { toStoreError } from './failures.js'
import { type Answer, fromFailure, handle, type ReplyTo, type Request } from './protocol.js'

export interface Backend {
  /** Before the first request. */
  start(): Promise<void>
  /** Throws, rejects, or answers at once or later. */
  send<R extends Request>(request: R): ReplyTo<R> | Promise<ReplyTo<R>>
  stop(): Promise<void>
}

export class InlineBackend implements Backend {
  readonly #path: string
  readonly #now: (() => number) | undefined
  #database: Database | undefined

  /** `now`: a test's own time, ms since 1970. */
  constructor(path: string, now: (() => number) | undefined) {
    this.#path = path
    this.#now = now
  }

  async start(): Promise<void> {
    this.#database ??= new Database(await loadDriver(), this.#path, this.#now ?? Date.now, this.#now)
  }

  send<R extends Request>(request: R): ReplyTo<R> {
    if (!this.#database) throw notOpen(this.#path)
    try {
      return handle(this.#database, request) as ReplyTo<R>
    } catch (error) {
      throw toStoreError(this.#path, error)
    }
  }

  async stop(): Promise<void> {
    this.#database = undefined
  }
}

/** Flags are inherited, and the thread is a file: in a script given as text (`--input-type=module -e …`) it could not be loaded. */
const threadFlags = (flags: readonly string[]): { readonly execArgv?: string[] } =>
  flags.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}

interface Waiter {
  readonly resolve: (reply: never) => void
  readonly reject: (error: unknown) => void
}

export class ThreadBackend implements Backend {
  readonly #path: string
  /** In order of their requests. */
  #waiters: Waiter[] = []
  #thread: Worker | undefined
  #gone: StoreError | undefined

  constructor(path: string) {
    this.#path = path
  }

  async start(): Promise<void> {
    if (this.#thread) return
    const thread = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: this.#path,
      name: `backstep ${this.#path}`,
      ...threadFlags(process.execArgv),
    })
    thread.on('message', (answer: Answer) => this.#receive(answer))
    thread.on('error', (error) => this.#fail(thread, error))
    thread.on('exit', (code) => this.#fail(thread, new Error(`the thread ended with code ${code}`)))
    thread.unref()
    this.#thread = thread
    this.#gone = undefined
  }

  send<R extends Request>(request: R): Promise<ReplyTo<R>> {
    const thread = this.#thread
    if (!thread || this.#gone) return Promise.reject(this.#gone ?? notOpen(this.#path))
    return new Promise((resolve, reject) => {
      if (this.#waiters.push({ resolve, reject }) === 1) thread.ref()
      thread.postMessage(request)
    })
  }

  async stop(): Promise<void> {
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }

  #receive(answer: Answer): void {
    const waiter = this.#waiters.shift()
    if (this.#waiters.length === 0) this.#thread?.unref()
    if ('failure' in answer) waiter?.reject(fromFailure(answer.failure))
    else waiter?.resolve(('packed' in answer ? unpack(answer.packed) : answer.reply) as never)
  }

  #fail(thread: Worker, cause: unknown): void {
    // The end of an earlier thread says nothing about this one.
    if (this.#thread !== undefined && this.#thread !== thread) return
    this.#gone ??= new StoreError(`${this.#path}: the store's thread is gone`, {
      code: 'STORE_UNAVAILABLE',
      hint: 'close the orchestrator and open it again; what was acknowledged is in the file',
      cause,
    })
    for (const { reject } of this.#waiters.splice(0)) reject(this.#gone)
  }
}

function notOpen(path: string): StoreError {
  return new StoreError(`${path} is not open`, {
    code: 'STORE_UNAVAILABLE',
    hint: 'call open() first; a closed store can be opened again',
  })
}
