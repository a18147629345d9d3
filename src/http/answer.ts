/**
 * Answers: JSON, with the headers that every answer of the API carries.
 *
 * Invariant: nothing that the API answers is kept by a cache, sniffed, framed or run.
 */
import { LightResponse } from './light.js'
import { type Answered, problemOf } from './problem.js'

export const baseHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new LightResponse(JSON.stringify(value), {
    status,
    headers: { 'Content-Type': 'application/json', ...baseHeaders, ...headers },
  })
}

export const text = (value: string | Uint8Array<ArrayBuffer>, type: string): Response =>
  new LightResponse(value, { headers: { 'Content-Type': type, ...baseHeaders } })

export const problem = ({ status, body, headers }: Answered): Response =>
  json(body, status, { 'Content-Type': 'application/problem+json', ...headers })

export const problemFor = (error: unknown): Response => problem(problemOf(error))
