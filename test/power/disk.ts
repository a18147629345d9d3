/**
 * A disk that loses its power: from what processes did to their files, what may be found when the power is back.
 *
 * The model. It lets more happen than a file system does, so that what survives it needs no particular one:
 * - Content is durable once an fsync (or fdatasync) of its file has ended that began after it was written, and so is the length
 *   of the file. Of all that came later each write is there, or not, or torn: some of its 512-byte sectors are there. As any
 *   write can be missing while a later one is there, that is every order in which a cache can write back. A truncation may be missing too.
 * - A sector is old or new, never a mixture (SQLite calls it "powersafe overwrite"). Where a file had grown by a write that is
 *   missing, it has its old length, or the new one with zeros or junk: lengths may be written before contents.
 * - Names (created, removed, renamed) are durable once an fsync of the folder has ended that began later; that of a file alone does
 *   not suffice, as POSIX has it, though on ext4 and XFS it mostly would. Of what came later a prefix is there (both of these write
 *   metadata in order), or each name by itself is as it was at any time since.
 * - After an fsync that failed, what it was to make durable is there or not, sector by sector, and no later fsync changes that, though every
 *   reader of the running system still sees it: the kernel takes it for clean. It is durable again where it was written again.
 * - Memory-mapped files do not survive: -shm is missing, or junk.
 *
 * Where it comes from: SQLite's own crash tests keep unsynced writes in a list and drop, keep or damage each of them
 * (sqlite.org/testing.html, 4.2; sqlite.org/atomiccommit.html, 2, for what it assumes of hardware). That names and lengths need a
 * model of their own, and that file systems differ in it, is from Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); what a failed fsync leaves behind from
 * Rebello et al., "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
 */
import type { Operation } from './tape.js'

/** A change that a power cut may undo. `serial` is its place on the tape. */
type Change =
  | { readonly serial: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly serial: number; readonly length: number }

/** What fell to pieces. */
export interface Damage {
  lostWrites: number
  tornWrites: number
  tornSectors: number
  lostTruncations: number
  lostNames: number
  /** Sectors that a failed fsync was to make durable. */
  lostGhosts: number
}

export const noDamage = (): Damage => ({
  lostWrites: 0,
  tornWrites: 0,
  tornSectors: 0,
  lostTruncations: 0,
  lostNames: 0,
  lostGhosts: 0,
})

/** What becomes of the changes that are not durable. */
export interface Fate {
  /** Of a write, which is the `index`th of `count` in its file. */
  write(index: number, count: number): 'kept' | 'lost' | 'torn'
  /** Of one sector of a torn write, or of one whose sync failed: it is there. */
  sector(): boolean
  /** A missing write has made its file longer, and there is this instead. */
  growth(): 'none' | 'zeros' | 'junk'
  truncation(): boolean
  /** Which of the states of names is there, `count` - 1 being the latest. */
  names(count: number): number
  /** Names are as they were at one time, all of them. */
  readonly namesInOrder: boolean
}

const sector = 512

/** Bytes that grow. */
class Content {
  #bytes: Buffer
  size: number

  constructor(of?: Content) {
    this.#bytes = of ? Buffer.from(of.bytes) : Buffer.alloc(0)
    this.size = this.#bytes.length
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.size)
  }

  grow(size: number, byte = 0): void {
    if (size <= this.size) return
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length))
      this.bytes.copy(larger)
      this.#bytes = larger
    }
    this.#bytes.fill(byte, this.size, size)
    this.size = size
  }

  write(offset: number, bytes: Buffer): void {
    this.grow(offset + bytes.length)
    bytes.copy(this.#bytes, offset)
  }

  truncate(length: number): void {
    this.grow(length)
    this.size = length
  }

  apply(change: Change): void {
    if ('bytes' in change) this.write(change.offset, change.bytes)
    else this.truncate(change.length)
  }
}

class File {
  readonly durable = new Content()
  changes: Change[] = []
  /** Sectors that a sync has failed to make durable, by their numbers. */
  readonly #ghosts = new Map<number, { readonly offset: number; readonly bytes: Buffer }[]>()

  syncedTo(serial: number): void {
    for (const change of this.changes) if (change.serial <= serial) this.#makeDurable(change)
    this.changes = this.changes.filter((change) => change.serial > serial)
  }

  syncFailed(): void {
    for (const change of this.changes) {
      if ('length' in change) continue
      for (const piece of sectorsOf(change.offset, change.bytes)) {
        const number = Math.floor(piece.offset / sector)
        this.#ghosts.set(number, [...(this.#ghosts.get(number) ?? []), piece])
      }
    }
    this.changes = this.changes.filter((change) => 'length' in change)
  }

  /** A sector goes to the disk as a whole: with what was written before to other bytes of it. */
  #makeDurable(change: Change): void {
    const from = 'length' in change ? change.length : change.offset
    const to = 'length' in change ? Number.POSITIVE_INFINITY : change.offset + change.bytes.length
    for (const [number, pieces] of this.#ghosts) {
      if ((number + 1) * sector <= from || number * sector >= to) continue
      if ('bytes' in change) for (const { offset, bytes } of pieces) this.durable.write(offset, bytes)
      this.#ghosts.delete(number)
    }
    this.durable.apply(change)
  }

  found(fate: Fate, damage: Damage): Buffer {
    const content = new Content(this.durable)
    for (const pieces of this.#ghosts.values()) {
      if (!fate.sector()) damage.lostGhosts++
      else for (const { offset, bytes } of pieces) content.write(offset, bytes)
    }
    this.changes.forEach((change, index) => {
      if ('length' in change) {
        if (fate.truncation()) content.truncate(change.length)
        else damage.lostTruncations++
        return
      }
      const how = fate.write(index, this.changes.length)
      if (how === 'kept') content.write(change.offset, change.bytes)
      else if (how === 'lost') lose(content, change.offset + change.bytes.length, fate, damage)
      else tear(content, change.offset, change.bytes, fate, damage)
    })
    return content.bytes
  }
}

function lose(content: Content, end: number, fate: Fate, damage: Damage): void {
  damage.lostWrites++
  const growth = fate.growth()
  if (growth !== 'none') content.grow(end, growth === 'junk' ? 0xa5 : 0)
}

function tear(content: Content, offset: number, bytes: Buffer, fate: Fate, damage: Damage): void {
  damage.tornWrites++
  for (const piece of sectorsOf(offset, bytes)) {
    if (fate.sector()) content.write(piece.offset, piece.bytes)
    else damage.tornSectors++
  }
}

function sectorsOf(offset: number, bytes: Buffer): { readonly offset: number; readonly bytes: Buffer }[] {
  const pieces: { offset: number; bytes: Buffer }[] = []
  for (let from = offset; from < offset + bytes.length; ) {
    const to = Math.min(offset + bytes.length, (Math.floor(from / sector) + 1) * sector)
    pieces.push({ offset: from, bytes: bytes.subarray(from - offset, to - offset) })
    from = to
  }
  return pieces
}

/** What a name stood for since then; undefined: nothing. */
interface Naming {
  readonly serial: number
  readonly path: string
  readonly file: File | undefined
}

export class Disk {
  readonly #folder: string
  /** Durable. */
  readonly #names = new Map<string, File | undefined>()
  #namings: Naming[] = []
  readonly #open = new Map<string, File | 'folder'>()
  /** By the open file that is being synced: what had come before it. */
  readonly #syncs = new Map<string, number>()
  #serial = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  do(operation: Operation): void {
    const serial = ++this.#serial
    switch (operation.kind) {
      case 'open':
        return this.#opened(operation)
      case 'close':
        this.#open.delete(operation.file)
        return
      case 'write':
        return this.#change(operation.file, { serial, offset: operation.offset, bytes: operation.bytes })
      case 'truncate':
        return this.#change(operation.file, { serial, length: operation.length })
      case 'syncBegins':
        this.#syncs.set(operation.file, serial)
        return
      case 'syncEnds':
        return this.#synced(operation.file)
      case 'syncFails':
        return this.#syncFailed(operation.file)
      case 'unlink':
        this.#namings.push({ serial, path: operation.path, file: undefined })
        return
      case 'rename':
        this.#namings.push({ serial, path: operation.to, file: this.#named(operation.from) })
        this.#namings.push({ serial, path: operation.from, file: undefined })
        return
      case 'append':
        throw new Error('only the ledger is written by append')
    }
  }

  /** What is found by its name after a power cut now. */
  found(fate: Fate, damage: Damage): Map<string, Buffer> {
    const found = new Map<string, Buffer>()
    for (const [path, file] of this.#foundNames(fate, damage))
      if (file && !path.endsWith('-shm')) found.set(path, file.found(fate, damage))
    return found
  }

  #opened({ file, path, made, emptied }: Operation & { kind: 'open' }): void {
    if (path === this.#folder) {
      this.#open.set(file, 'folder')
      return
    }
    const known = this.#named(path)
    if (!known && !made) throw new Error(`${path} was there before the tape began`)
    const opened = known && !made ? known : new File()
    if (opened !== known) this.#namings.push({ serial: this.#serial, path, file: opened })
    if (emptied) opened.changes.push({ serial: this.#serial, length: 0 })
    this.#open.set(file, opened)
  }

  #named(path: string): File | undefined {
    const last = this.#namings.findLast((naming) => naming.path === path)
    return last ? last.file : this.#names.get(path)
  }

  #change(file: string, change: Change): void {
    const opened = this.#open.get(file)
    if (!opened || opened === 'folder') throw new Error(`${file} is no open file`)
    opened.changes.push(change)
  }

  #syncFailed(file: string): void {
    const opened = this.#open.get(file)
    if (opened && opened !== 'folder') opened.syncFailed()
  }

  #synced(file: string): void {
    const opened = this.#open.get(file)
    const serial = this.#syncs.get(file)
    if (!opened || serial === undefined) throw new Error(`${file} is no file that is synced`)
    if (opened !== 'folder') return opened.syncedTo(serial)
    for (const naming of this.#namings) if (naming.serial <= serial) this.#names.set(naming.path, naming.file)
    this.#namings = this.#namings.filter((naming) => naming.serial > serial)
  }

  #foundNames(fate: Fate, damage: Damage): Map<string, File | undefined> {
    const found = new Map(this.#names)
    const paths = [...new Set(this.#namings.map(({ path }) => path))]
    const groups = fate.namesInOrder
      ? [this.#namings]
      : paths.map((path) => this.#namings.filter((naming) => naming.path === path))
    for (const group of groups) {
      const kept = fate.names(group.length + 1)
      damage.lostNames += group.length - kept
      for (const { path, file } of group.slice(0, kept)) found.set(path, file)
    }
    return found
  }
}
