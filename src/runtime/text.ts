/**
 * Text for people: escaped, cut and wrapped, for a terminal, a report or a page.
 *
 * Invariant: what has passed `safe` is one line, cannot drive a terminal, and does not turn the direction of what stands around it.
 */

/** Control characters, signs that turn the direction of text or break a line, and halves of characters. */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const escaped = (character: string): string =>
  shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** For printing: one line, and nothing in it that a terminal obeys. */
export const safe = (text: string): string => text.replace(unsafe, escaped)

/** One line of JSON. JSON itself leaves some signs as they are that a terminal obeys. */
export const jsonLine = (value: unknown): string => safe(JSON.stringify(value))

/** Cuts what is longer than so many characters. */
export const clip = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1)).replace(/[\ud800-\udbff]$/, '')}…`

/** Columns that a text takes: colours take none. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
const lengthOf = (text: string): number => text.replace(/\u001b\[\d+m/g, '').length

/** Breaks a text that begins at column `indent` at its blanks, so that it ends before column `width`. */
export function wrap(text: string, width: number, indent = 0): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && lengthOf(line) + 1 + lengthOf(word) > width - indent) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`)
}
