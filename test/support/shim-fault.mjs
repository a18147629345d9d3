/**
 * What the shim is told to let fail (see shim-files.c): a file that it has mapped, written by the test, or by the process that suffers.
 *
 * Invariant
 * - The layout is that of `struct fault`: eight bytes each for kinds, at, times, error, half, every, seen, failed.
 */
import { existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'

const kindBits = { sync: 1, write: 2, read: 4, truncate: 8, open: 16, unlink: 32 }
const fields = { kinds: 0, at: 8, times: 16, error: 24, half: 32, every: 40, seen: 48, failed: 56 }
const size = 64

export class FaultFile {
  path
  #fd

  constructor(path) {
    this.path = path
    if (!existsSync(path)) writeFileSync(path, Buffer.alloc(size))
    this.#fd = openSync(path, 'r+')
  }

  order({ kinds, at, times = 1, error = 'EIO', half = false, every = 0 }) {
    this.lift()
    this.#set('at', at)
    this.#set('times', times)
    this.#set('error', constants.errno[error])
    this.#set('half', half ? 1 : 0)
    this.#set('every', every)
    this.#set('seen', 0)
    this.#set('failed', 0)
    // Last: from here on it counts.
    this.#set(
      'kinds',
      kinds.reduce((bits, kind) => bits | kindBits[kind], 0),
    )
  }

  lift() {
    this.#set('kinds', 0)
  }

  get seen() {
    return this.#get('seen')
  }

  get failed() {
    return this.#get('failed')
  }

  #set(field, value) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(value))
    writeSync(this.#fd, bytes, 0, 8, fields[field])
  }

  #get(field) {
    const bytes = Buffer.alloc(8)
    readSync(this.#fd, bytes, 0, 8, fields[field])
    return Number(bytes.readBigInt64LE())
  }
}
