/**
 * The external ledger, as steps write it: one JSON line for each thing that happened, in a file of its own.
 *
 * Invariants
 * - A line is there, whole and durable (O_APPEND, fsync), before the function that wrote it goes on.
 * - The order of lines is the order of events over all processes.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'

export class LedgerFile {
  #fd
  #sync

  /** `sync: false` for runs that kill nobody and write thousands of lines. */
  constructor(path, { sync = true } = {}) {
    this.#fd = openSync(path, 'a')
    this.#sync = sync
  }

  /** `context` is what a commit or rollback was called with; `direction` is told by its commitKey. */
  write(context, outcome) {
    const { sagaId: saga, step, attempt, idempotencyKey: key, token } = context
    const direction = 'commitKey' in context ? 'rollback' : 'commit'
    const line = { saga, step, direction, attempt, key, token, pid: process.pid, outcome }
    writeSync(this.#fd, `${JSON.stringify(line)}\n`)
    if (this.#sync) fsyncSync(this.#fd)
  }

  close() {
    closeSync(this.#fd)
  }
}
