/**
 * Ids: UUIDs of version 7. Their first 48 bits are the time in ms, so that ids made together stand together in an index.
 *
 * Invariant: the other 74 bits are chance.
 *
 * Written here because one is made for every saga, and the usual libraries put its text together from 36 pieces.
 */

const digits = Buffer.from('0123456789abcdef', 'latin1')
/** Of the text: where the random digits stand. The one at 19 also carries the variant, binary 10xx. */
const randomPlaces = [15, 16, 17, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35]
const variantPlace = 19

export class Ids {
  readonly #text = Buffer.from('00000000-0000-7000-8000-000000000000', 'latin1')
  /** A byte for each random digit. */
  readonly #pool = Buffer.allocUnsafe(4_096)
  readonly #fill: (pool: Uint8Array) => unknown
  #used = this.#pool.length
  #time = -1

  /** `fill` makes all bytes of an array random. */
  constructor(fill: (pool: Uint8Array) => unknown) {
    this.#fill = fill
  }

  /** `now` in ms since 1970. */
  next(now: number): string {
    if (now !== this.#time) this.#writeTime(now)
    const text = this.#text
    for (const place of randomPlaces) text[place] = digits[this.#byte() & 15] as number
    text[variantPlace] = digits[8 + (this.#byte() & 3)] as number
    return text.toString('latin1')
  }

  #writeTime(now: number): void {
    const hex = Math.max(0, now).toString(16).padStart(12, '0')
    this.#text.write(hex.slice(0, 8), 0, 'latin1')
    this.#text.write(hex.slice(8), 9, 'latin1')
    this.#time = now
  }

  #byte(): number {
    if (this.#used === this.#pool.length) {
      this.#fill(this.#pool)
      this.#used = 0
    }
    return this.#pool[this.#used++] as number
  }
}
