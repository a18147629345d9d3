/** The bytes of a body as they come: in one piece, in order, in little memory and without copying them over and over. */
import { expect, test } from 'vitest'
import { Bytes } from '#dist/core/bytes.js'

const bytesOf = (chunks: readonly Uint8Array[]) => {
  const bytes = new Bytes()
  for (const chunk of chunks) bytes.add(chunk)
  return bytes
}

const counting = (length: number) => Uint8Array.from({ length }, (_, index) => (7 * index) % 251)

test('nothing came: no bytes', () => {
  expect(new Bytes().size).toBe(0)
  expect(new Bytes().whole()).toEqual(Buffer.alloc(0))
})

test.each([
  ['one at a time', Array<number>(5_000).fill(1)],
  ['exactly what fits at first, and one more', [2_048, 1]],
  ['a large one first', [100_000, 1, 2]],
  ['a large one behind small ones, and empty ones between', [3, 0, 2_044, 0, 50_000, 0]],
])('in one piece, in order: %s', (_, lengths) => {
  const sent = counting(lengths.reduce((sum, length) => sum + length))
  const chunks = lengths.map((length, index) => {
    const from = lengths.slice(0, index).reduce((sum, before) => sum + before, 0)
    return sent.subarray(from, from + length)
  })
  const bytes = bytesOf(chunks)
  expect(bytes.size).toBe(sent.length)
  expect(bytes.whole()).toEqual(Buffer.from(sent))
})

test('a chunk may be used for something else once it was added', () => {
  const chunk = new Uint8Array([1, 2])
  const bytes = bytesOf([chunk])
  chunk.fill(9)
  expect([...bytes.whole()]).toEqual([1, 2])
})

test('a hundred thousand chunks of one byte take twice their number at most, and are moved a few times only', () => {
  const bytes = new Bytes()
  const held = new Set<ArrayBufferLike>()
  const one = new Uint8Array(1)
  for (let size = 1; size <= 100_000; size++) {
    bytes.add(one)
    const { buffer } = bytes.whole()
    held.add(buffer)
    if (buffer.byteLength > Math.max(2_048, 2 * size)) expect.unreachable(`${buffer.byteLength} for ${size}`)
    if (held.size >= 10) expect.unreachable(`moved ${held.size} times for ${size}`)
  }
})
