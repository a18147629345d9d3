/**
 * The model of a disk without power: what is durable is there in every image, and what is not can be missing, each in its own way.
 */
import { describe, expect, test } from 'vitest'
import { Disk, type Fate, noDamage } from './disk.js'
import { fateOf, hows } from './fates.js'
import { Random } from './random.js'
import type { Operation } from './tape.js'

const a = '/f/a'
const open = (path: string, file: string, made = true): Operation => ({
  kind: 'open',
  file,
  path,
  made,
  emptied: false,
})
const write = (offset: number, text: string, file = '1'): Operation => ({
  kind: 'write',
  file,
  offset,
  bytes: Buffer.from(text),
})
const sync = (file: string): Operation[] => [
  { kind: 'syncBegins', file },
  { kind: 'syncEnds', file },
]
const folder = [open('/f', '9', false), ...sync('9')]
const block = (letter: string, sectors: number): string => letter.repeat(512 * sectors)

function played(...operations: readonly Operation[]): Disk {
  const disk = new Disk('/f')
  for (const operation of operations) disk.do(operation)
  return disk
}

/** All that many draws find of one file: each content once. */
function contents(disk: Disk, path = a): Set<string | undefined> {
  const random = new Random(1)
  const found = new Set<string | undefined>()
  for (let i = 0; i < 400; i++) {
    const how = hows[i % hows.length] ?? 'some'
    found.add(disk.found(fateOf(how, random), noDamage()).get(path)?.toString())
  }
  return found
}

const nothing: Fate = { ...fateOf('nothing', new Random(1)) }
const everything: Fate = { ...fateOf('everything', new Random(1)) }
const textOf = (disk: Disk, fate: Fate, path = a): string | undefined =>
  disk.found(fate, noDamage()).get(path)?.toString()

describe('a disk without power', () => {
  const durable = [open(a, '1'), write(0, 'old'), ...sync('1'), ...folder]

  test('what was synced is there, however the power went', () => {
    expect([...contents(played(...durable))]).toEqual(['old'])
  })

  test('what was not is there or not, with the length before or after', () => {
    const found = contents(played(...durable, write(3, 'new')))
    expect([...found].sort()).toEqual(['old', 'old\0\0\0', 'oldnew', `old${'\ufffd'.repeat(3)}`].sort())
  })

  test('what was written after a sync began is not covered by it', () => {
    const [begins, ends] = sync('1') as [Operation, Operation]
    const disk = played(...durable, write(0, 'one'), begins, write(0, 'two'), ends)
    expect([textOf(disk, nothing), textOf(disk, everything)]).toEqual(['one', 'two'])
  })

  test('writes are lost in any combination, and torn by sectors', () => {
    const disk = played(
      open(a, '1'),
      write(0, block('-', 3)),
      ...sync('1'),
      ...folder,
      write(0, block('x', 3)),
    )
    const short = [...contents(disk)].map((text) => text?.replaceAll(/(.)\1{511}/g, '$1')).sort()
    expect(short).toEqual(['---', '--x', '-x-', '-xx', 'x--', 'x-x', 'xx-', 'xxx'].sort())
    const two = played(...durable, write(0, '1'), write(1, '2'))
    expect([...contents(two)].sort()).toEqual(['12d', '1ld', 'o2d', 'old'])
  })

  test('what a failed sync was to make durable no later sync does, unless it is written again', () => {
    const fails: Operation = { kind: 'syncFails', file: '1' }
    const failed = played(...durable, write(0, 'new'), fails, ...sync('1'))
    expect([...contents(failed)].sort()).toEqual(['new', 'old'])
    const again = played(...durable, write(0, 'new'), fails, write(0, 'new'), ...sync('1'))
    expect([...contents(again)]).toEqual(['new'])
    const beside = played(...durable, write(0, 'ne'), fails, write(2, 'w'), ...sync('1'))
    expect([...contents(beside)]).toEqual(['new'])
    const cut = played(
      ...durable,
      write(3, 'more'),
      fails,
      { kind: 'truncate', file: '1', length: 3 },
      ...sync('1'),
    )
    expect([...contents(cut)].sort()).toEqual(['old'])
  })

  test('a truncation is lost, or not', () => {
    const disk = played(...durable, { kind: 'truncate', file: '1', length: 1 })
    expect([...contents(disk)].sort()).toEqual(['o', 'old'])
  })

  test('a name is not durable by a sync of its file, and a removed one may be back', () => {
    const made = played(open(a, '1'), write(0, 'old'), ...sync('1'))
    expect([...contents(made)].sort()).toEqual(['old', undefined])
    const removed = played(...durable, { kind: 'unlink', path: a })
    expect([...contents(removed)].sort()).toEqual(['old', undefined])
    const again = played(
      ...durable,
      { kind: 'unlink', path: a },
      open(a, '2'),
      write(0, 'other', '2'),
      ...sync('2'),
    )
    expect([...contents(again)].sort()).toEqual(['old', 'other', undefined])
    const settled = played(...durable, { kind: 'unlink', path: a }, ...folder)
    expect([...contents(settled)]).toEqual([undefined])
  })

  test('a rename is lost, or not, and never its content', () => {
    const disk = played(...durable, { kind: 'rename', from: a, to: '/f/b' })
    expect([...contents(disk, '/f/b')].sort()).toEqual(['old', undefined])
    expect([...contents(disk)].sort()).toEqual(['old', undefined])
  })

  test('it knows only what it has seen from the beginning', () => {
    expect(() => played(open(a, '1', false))).toThrow('before the tape began')
    expect(() => played(write(0, 'x'))).toThrow('no open file')
  })
})
