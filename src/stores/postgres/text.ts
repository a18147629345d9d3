/**
 * How lists of texts are sent, and ids and keys are stored.
 *
 * Invariants
 * - A list crosses as one text: its items joined by a line feed, the keys of one saga by chr(2). `string_to_array` takes it
 *   apart, which costs neither side the escaping that an array literal needs.
 * - JSON as it is stored has no control characters, so entries cross as they are. In ids and keys they are written in two characters
 *   that begin with chr(1); which also lets NUL be stored. Whoever has none of these, and that is everybody, is stored as he is.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const special = /[\u0000-\u0002\n]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const specials = /[\u0000-\u0002\n]/g

// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const marked = /\u0001(.)/g

export const itemEnd = '\n'
const keyEnd = '\u0002'
const mark = '\u0001'

/** An id or a key, as it is stored. */
export function stored(text: string): string {
  if (text === '') return `${mark}e`
  return special.test(text)
    ? text.replace(specials, (sign) => mark + String.fromCharCode(97 + sign.charCodeAt(0)))
    : text
}

export function unstored(text: string): string {
  if (!text.includes(mark)) return text
  if (text === `${mark}e`) return ''
  return text.replace(marked, (_, letter: string) => String.fromCharCode(letter.charCodeAt(0) - 97))
}

export const keysText = (keys: readonly string[]): string =>
  keys.length === 1 ? stored(keys[0] ?? '') : keys.map(stored).join(keyEnd)

/** An array literal of numbers. */
export const numbers = (values: readonly number[]): string => `{${values.join(',')}}`
