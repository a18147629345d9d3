/**
 * How long a participant may keep us waiting, before there is a connection and once there is an answer.
 *
 * Invariant: one bound holds for all that it takes to reach a participant, however many steps that has.
 */
export class Patience {
  readonly #end: number

  constructor(ms: number) {
    this.#end = performance.now() + ms
  }

  /** ms; below 0 once it is over. */
  get left(): number {
    return this.#end - performance.now()
  }
}

/**
 * Calls `run` once, `ms` from now or when the event loop has heard what came meanwhile; returns what calls that off. If the loop stood still,
 * timers are first to go on: a participant that had answered long ago would count as never reached.
 */
export function after(ms: number, run: () => void): () => void {
  let last: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    last = setImmediate(run)
  }, ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(last)
  }
}
