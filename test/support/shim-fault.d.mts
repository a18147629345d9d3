export interface FaultOrder {
  /** What is counted, and fails. */
  readonly kinds: readonly FaultKind[]
  /** The first that fails: 1 and up; 0: none does. */
  readonly at: number
  /** How many fail from there on. Default 1. */
  readonly times?: number
  /** Default `EIO`. */
  readonly error?: 'EIO' | 'ENOSPC'
  /** And again after so many calls. Default: never. */
  readonly every?: number
  /** The first of them writes half of what it was told to, instead. */
  readonly half?: boolean
}

export type FaultKind = 'sync' | 'write' | 'read' | 'truncate' | 'open' | 'unlink'

export declare class FaultFile {
  readonly path: string
  /** Of a file that is there already, or makes it. */
  constructor(path: string)
  /** Takes effect at once, and counts anew. */
  order(fault: FaultOrder): void
  /** Nothing fails any more; what has been counted stands. */
  lift(): void
  /** Calls of these kinds since the order. */
  readonly seen: number
  /** Those of them that failed. */
  readonly failed: number
}
