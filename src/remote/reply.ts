/**
 * Reads the body of an answer: the output of a step, or what a person would look for in a refusal.
 *
 * Invariants
 * - An output is what was sent, or it is none: bytes that are no UTF-8 and whole numbers beyond what a number holds exactly would come
 *   out as something else, such as the id of another booking.
 * - A body that ended with its connection counts only if it could not have gone on: half of `1234` is a number, too.
 */
import type { Json } from '../core/entry.js'
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
  return isExact(text) ? { is: 'json', value } : { is: 'inexact' }
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

/** False if it has a whole number that JSON.parse makes another one of: ids of 64 bits are. */
function isExact(text: string): boolean {
  if (!/\d{16}/.test(text)) return true
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[\d.eE+-]+/g)) {
    if (/^-?\d{16,}$/.test(token) && String(Number(token)) !== token) return false
  }
  return true
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
