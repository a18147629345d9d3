/**
 * Two orders for the memory store: a sorted set of numbers, and a queue by time.
 *
 * Invariants
 * - `NumberSet` is ascending and without duplicates. Adding above the last and removing the first, which is what
 *   queues do, are O(1); anything else is a binary search and one move of memory.
 * - `DueQueue` may hold times that no longer apply, though never more of them than of the others (and a thousand): they are
 *   dropped when they come up, or all at once when it has doubled.
 */
export class NumberSet {
  #items: number[]
  #head = 0

  constructor(...items: number[]) {
    this.#items = items
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): number | undefined {
    return this.#items[this.#head]
  }

  add(n: number): void {
    const items = this.#items
    if (items.length === this.#head || n > (items[items.length - 1] as number)) {
      items.push(n)
      return
    }
    const at = this.#search(n)
    if (items[at] !== n) items.splice(at, 0, n)
  }

  delete(n: number): boolean {
    const items = this.#items
    const at = this.#search(n)
    if (items[at] !== n) return false
    if (at !== this.#head) items.splice(at, 1)
    else if (++this.#head > 1_000 && this.#head * 2 > items.length) {
      this.#items = items.slice(this.#head)
      this.#head = 0
    } else if (this.#head === items.length) {
      items.length = 0
      this.#head = 0
    }
    return true
  }

  /** The first number above this one. */
  after(n: number): number | undefined {
    return this.#items[this.#search(n + 1)]
  }

  /** The index of the first number that is not below this one. */
  #search(n: number): number {
    const items = this.#items
    let low = this.#head
    let high = items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((items[middle] as number) < n) low = middle + 1
      else high = middle
    }
    return low
  }
}

export interface Due {
  readonly at: number
  readonly n: number
}

/** A binary heap by time, then by number. */
export class DueQueue {
  readonly #applies: (due: Due) => boolean
  #heap: Due[] = []
  #sweepAt = 1_000

  constructor(applies: (due: Due) => boolean) {
    this.#applies = applies
  }

  push(at: number, n: number): void {
    if (this.#heap.length >= this.#sweepAt) this.#sweep()
    const heap = this.#heap
    const due = { at, n }
    let i = heap.length
    while (i > 0) {
      const up = (i - 1) >>> 1
      const parent = heap[up] as Due
      if (!isBefore(due, parent)) break
      heap[i] = parent
      i = up
    }
    heap[i] = due
  }

  /** The earliest that still applies. */
  get first(): Due | undefined {
    const heap = this.#heap
    while (heap[0] && !this.#applies(heap[0])) this.#removeFirst()
    return heap[0]
  }

  /** A sorted array is a heap. */
  #sweep(): void {
    this.#heap = this.#heap.filter(this.#applies).sort((a, b) => a.at - b.at || a.n - b.n)
    this.#sweepAt = Math.max(1_000, 2 * this.#heap.length)
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let i = 0
    for (;;) {
      let down = 2 * i + 1
      const right = heap[down + 1]
      if (right && isBefore(right, heap[down] as Due)) down++
      const child = heap[down]
      if (!child || !isBefore(child, last)) break
      heap[i] = child
      i = down
    }
    heap[i] = last
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.n < b.n)
}
