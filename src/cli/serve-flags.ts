/**
 * The flags of `backstep serve`, as they were typed.
 */
import type { Shared } from './desk.js'

export interface Flags extends Shared {
  readonly port: number
  readonly host: string
  readonly tokenFile?: string
  readonly readOnly?: true
  readonly work: boolean
  readonly definitions?: string[]
  readonly allow?: string[]
  readonly redact?: string[]
  readonly showPayloads?: true
  readonly allowHost?: string[]
  readonly log: 'silent' | 'error' | 'warn' | 'info'
}

export const levels = ['silent', 'error', 'warn', 'info'] as const
