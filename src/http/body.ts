/**
 * Bodies of requests: JSON objects, bounded in size and depth before they are parsed.
 *
 * Invariants
 * - Never more than the limit is held, whatever the length that was announced.
 * - A member that means nothing is refused: a misspelt one would silently do nothing. So is a number that would become another one.
 */
import { Bytes } from '../core/bytes.js'
import { isRounded } from '../core/json.js'
import { badRequest, Problem } from './problem.js'

export type Members = Readonly<Record<string, unknown>>

/** Deeper than any payload that people write; each level costs stack in whoever reads it. */
const maxDepth = 64

/** bytes; nearly every body is smaller, and reading it the server's own way costs less than a stream. */
const smallBody = 16_384

export interface BodyLimits {
  /** Bytes. */
  readonly maxBody: number
}

/** The members of a JSON object; `none` where there is no body. Throws Problem. */
export async function membersOf(
  request: Request,
  known: readonly string[],
  limits: BodyLimits,
): Promise<Members> {
  const bytes = await bytesOf(request, limits.maxBody)
  if (bytes.byteLength === 0) return {}
  checkType(request.headers.get('Content-Type'))
  const value = parse(decode(bytes))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('the body is no JSON object', `send an object with: ${known.join(', ')}`)
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw badRequest(`there is no member ${JSON.stringify(unknown.slice(0, 40))}`, hintFor(known))
  }
  return value as Members
}

const hintFor = (known: readonly string[]): string =>
  known.length === 0 ? 'send an empty object, or none' : `it has: ${known.join(', ')}`

/** Also a guard: a form of a foreign page cannot send this type without asking first. */
function checkType(type: string | null): void {
  if (type !== null && /^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i.test(type)) return
  throw new Problem(415, 'the body is not declared as JSON', {
    code: 'UNSUPPORTED_MEDIA_TYPE',
    hint: 'send Content-Type: application/json',
  })
}

const tooLarge = (limit: number): Problem =>
  new Problem(413, `the body is larger than ${limit} bytes`, {
    code: 'TOO_LARGE',
    hint: 'store what is large elsewhere, and send a reference',
    // What is left of the body is not read, so nothing can follow on this connection.
    headers: { Connection: 'close' },
  })

async function bytesOf(request: Request, limit: number): Promise<Uint8Array> {
  const encoding = request.headers.get('Content-Encoding')
  if (encoding !== null && encoding !== 'identity') {
    throw new Problem(415, 'the body is compressed', {
      code: 'UNSUPPORTED_MEDIA_TYPE',
      hint: 'send it as it is',
    })
  }
  const length = request.headers.get('Content-Length')
  if (length !== null && Number(length) > limit) throw tooLarge(limit)
  try {
    // The server holds a body to the length that it announced. It keeps chunks as they come, so only of a small one.
    if (length !== null && Number(length) <= smallBody) return new Uint8Array(await request.arrayBuffer())
    return request.body ? await readWithin(request.body, limit) : new Uint8Array()
  } catch (error) {
    if (error instanceof Problem) throw error
    // The client went away. Nothing of ours has failed, and nobody reads this.
    throw badRequest('the body broke off', 'send all of it', 'BAD_JSON')
  }
}

async function readWithin(body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
  const reader = body.getReader()
  const bytes = new Bytes()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return bytes.whole()
    bytes.add(value)
    if (bytes.size > limit) {
      reader.cancel().catch(() => {})
      throw tooLarge(limit)
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw badRequest('the body is not UTF-8', 'send JSON in UTF-8', 'BAD_JSON')
  }
}

function parse(text: string): unknown {
  scan(text)
  try {
    return JSON.parse(text)
  } catch (error) {
    // V8 quotes the text around the mistake, which may be a secret.
    const place = /position \d+/.exec(error instanceof Error ? error.message : '')?.[0]
    throw badRequest(`the body is no JSON${place ? ` (at ${place})` : ''}`, 'send a JSON object', 'BAD_JSON')
  }
}

const [quote, backslash, openBrace, openBracket, closeBrace, closeBracket] = [
  0x22, 0x5c, 0x7b, 0x5b, 0x7d, 0x5d,
]

/** Brackets and numbers outside of texts, looked at before anything is built. Throws Problem. */
function scan(text: string): void {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = endOfText(text, index)
    else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
    else if (isDigit(code)) index = endOfNumber(text, index)
    if (depth > maxDepth) {
      throw badRequest(`the body is nested deeper than ${maxDepth} levels`, 'send less', 'TOO_DEEP')
    }
  }
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

const numeral = /[\d.eE+-]*/y

/**
 * Its last sign. Whole numbers that would be changed are refused: the ids of other languages have 64 bits, and 9007199254740993 would
 * be somebody else's account. Fractions are rounded as everywhere.
 */
function endOfNumber(text: string, start: number): number {
  numeral.lastIndex = start
  const digits = numeral.exec(text)?.[0] ?? ''
  if (isRounded(digits)) {
    throw badRequest(
      `the whole number at position ${start} has more digits than can be kept`,
      'send it as a text',
    )
  }
  return start + digits.length - 1
}

/** Where the text that begins at `start` ends. */
function endOfText(text: string, start: number): number {
  let index = start + 1
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === quote) return index
    index += code === backslash ? 2 : 1
  }
  return index
}

/** A text of this name. Throws Problem. */
export function textOf(members: Members, name: string): string
export function textOf(members: Members, name: string, optional: 'optional'): string | undefined
export function textOf(members: Members, name: string, optional?: 'optional'): string | undefined {
  const value = members[name]
  if (typeof value === 'string') return value
  if (value === undefined && optional) return undefined
  throw badRequest(
    value === undefined ? `${name} is missing` : `${name} is no text`,
    `send ${name} as a text`,
  )
}
