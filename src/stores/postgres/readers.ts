/**
 * Connections for reading: two of our own, or whichever one of the user's pool is free.
 *
 * Invariant
 * - A connection of the user's pool is given back after each answer: reading never keeps what the user's own work needs.
 */
import type { QueryConfig } from './driver.js'
import { type Connected, Link } from './link.js'

/** Something that answers one statement. */
export interface Source {
  query(config: QueryConfig): Promise<readonly (readonly unknown[])[]>
  close(): Promise<void>
}

const nothing = async () => {}

/** The one that has less to do. */
export function ownReaders(open: () => Promise<Connected>, timeout: number): Source {
  const readers = [0, 1].map(() => ({ link: new Link(open, nothing, timeout), busy: 0 }))
  return {
    query: async (config) => {
      const [first, second] = readers
      const reader = first && second && second.busy < first.busy ? second : first
      if (!reader) throw new Error('no reader')
      reader.busy++
      try {
        return await reader.link.query(config)
      } finally {
        reader.busy--
      }
    },
    close: async () => {
      await Promise.all(readers.map(({ link }) => link.close()))
    },
  }
}

export function borrowedReaders(open: () => Promise<Connected>, timeout: number): Source {
  return {
    query: async (config) => {
      const link = new Link(open, nothing, timeout)
      try {
        return await link.query(config)
      } finally {
        await link.close(true)
      }
    },
    close: nothing,
  }
}
