/**
 * The tape: what processes did to the files of one folder, in order, as the shim recorded it (see shim-files.c).
 *
 * Invariants
 * - Only what succeeded is on it, with exactly the bytes that were written; but for syncs that failed.
 * - The processes write to a ledger in the same folder whatever they were told or did: so the tape says, too, what was
 *   known by then.
 */
import { readFileSync } from 'node:fs'

export type Operation =
  | {
      readonly kind: 'open'
      readonly file: string
      readonly path: string
      readonly made: boolean
      readonly emptied: boolean
    }
  | { readonly kind: 'close' | 'syncBegins' | 'syncEnds' | 'syncFails'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'append'; readonly file: string; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly length: number }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

const header = 32

export function readTape(path: string): Operation[] {
  const tape = readFileSync(path)
  const operations: Operation[] = []
  for (let at = 0; at < tape.length; ) {
    const length = Number(tape.readBigUInt64LE(at + 24))
    const data = at + header
    operations.push(operationOf(tape.subarray(at, data), tape.subarray(data, data + length)))
    at = data + length
  }
  return operations
}

function operationOf(head: Buffer, bytes: Buffer): Operation {
  const file = `${head.readInt32LE(4)}:${head.readInt32LE(8)}`
  const flags = head.readUInt32LE(12)
  const offset = Number(head.readBigUInt64LE(16))
  switch (head.readUInt32LE(0)) {
    case 1:
      return {
        kind: 'open',
        file,
        path: bytes.toString(),
        made: (flags & 1) !== 0,
        emptied: (flags & 2) !== 0,
      }
    case 2:
      return { kind: 'close', file }
    case 3:
      return { kind: 'write', file, offset, bytes }
    case 4:
      return { kind: 'append', file, bytes }
    case 5:
      return { kind: 'truncate', file, length: offset }
    case 6:
      return { kind: 'syncBegins', file }
    case 7:
      return { kind: 'syncEnds', file }
    case 8:
      return { kind: 'unlink', path: bytes.toString() }
    case 9: {
      const [from = '', to = ''] = bytes.toString().split('\0')
      return { kind: 'rename', from, to }
    }
    case 10:
      return { kind: 'syncFails', file }
    default:
      throw new Error('no record of the shim')
  }
}
