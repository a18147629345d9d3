/**
 * The bytes of a body as they come, in one piece.
 *
 * Invariant: they take no more than twice their number. Kept as they came, a megabyte in chunks of one byte would take 400.
 */
export class Bytes {
  #held = Buffer.allocUnsafeSlow(2_048)
  #size = 0

  get size(): number {
    return this.#size
  }

  add(chunk: Uint8Array): void {
    const size = this.#size + chunk.length
    if (size > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#held.length))
      this.#held.copy(grown, 0, 0, this.#size)
      this.#held = grown
    }
    this.#held.set(chunk, this.#size)
    this.#size = size
  }

  whole(): Buffer {
    return this.#held.subarray(0, this.#size)
  }
}
