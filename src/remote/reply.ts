/**
 * Reads the body of an answer: the output of a step, or what a person would look for in a refusal.
 *
 * Invariants
 * - An output is what was sent: bytes that are no UTF-8 make none of it, and whole numbers that a number cannot hold exactly are texts of
 *   the same digits. Else the id of one booking would come out as that of another.
 * - A body that ended with its connection counts only if it could not have gone on: half of `1234` is a number, too.
 */
import type { Json } from '../core/entry.js'
import { isRounded } from '../core/json.js'
import type { ReplyBody } from './outcome.js'
import type { Body } from './request.js'

const utf8 = new TextDecoder('utf-8', { fatal: true })

export function bodyOf(body: Body): ReplyBody {
  if (body.is === 'note') return { is: 'unread' }
  if (body.is !== 'whole') return body
  const text = textOf(body.bytes)
  if (text?.trim() === '') return body.isFramed ? { is: 'none' } : { is: 'cut' }
  const value = text === undefined ? undefined : parsed(text)
  if (text === undefined || value === undefined) return { is: 'not_json' }
  if (typeof value === 'number' && !body.isFramed) return { is: 'cut' }
  return { is: 'json', value: mayRound.test(text) ? (parsed(exact(text)) ?? value) : value }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

const mayRound = /\d{16}/

/**
 * The same JSON with quotes around whole numbers that JSON.parse would round: ids of 64 bits are. Only of what is JSON: text whose quotes
 * do not close would take the square of its length.
 */
function exact(json: string): string {
  return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[\d.eE+-]+/g, (token) =>
    isRounded(token) ? `"${token}"` : token,
  )
}

/** What a person would look for in the body of a refusal. */
export function noteOf(text: string): string {
  const value = parsed(text)
  const said =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? ['detail', 'message', 'error', 'title']
          .map((key) => (value as Record<string, Json>)[key])
          .find((one) => typeof one === 'string')
      : undefined
  return String(said ?? text)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
}
