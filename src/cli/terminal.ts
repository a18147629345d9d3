/**
 * The terminal: what was asked for goes to stdout, all talk to stderr.
 *
 * Invariants
 * - Text that comes from sagas (names, ids, errors, payloads) is printed through `safe`: it cannot drive the terminal, nor
 *   turn the direction of what stands around it.
 * - With --json stdout carries JSON and nothing else: one object a line.
 * - Colours only for a terminal, and never with NO_COLOR.
 */
import Table from 'cli-table3'
import colors from 'picocolors'

export type Paint = ReturnType<typeof colors.createColors>

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

/** Colours where the stream is a terminal and nobody asked for none. */
export const paintFor = (stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint =>
  colors.createColors(stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb')

export class Terminal {
  readonly json: boolean
  /** For stdout. */
  readonly paint: Paint
  /** Columns of stdout; Infinity where it is no terminal, so that nothing is cut that somebody searches. */
  readonly width: number

  constructor(json: boolean) {
    this.json = json
    this.paint = paintFor(process.stdout)
    this.width = process.stdout.columns || Number(process.env['COLUMNS']) || Number.POSITIVE_INFINITY
  }

  /** Answers a command: `value` with --json, else `text`. */
  answer(value: unknown, text: string): void {
    process.stdout.write(`${this.json ? jsonLine(value) : text}\n`)
  }

  /** Says something beside the answer; not with --json, where nobody reads it. */
  talk(text: string): void {
    if (!this.json) process.stderr.write(`${paintFor(process.stderr).dim(text)}\n`)
  }

  /** Says what went wrong. */
  static fail(text: string): void {
    process.stderr.write(`${paintFor(process.stderr).red('error')}: ${text}\n`)
  }
}

const noBorders = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle'
    .split(' ')
    .map((part) => [part, '']),
)

/** Columns without lines, two blanks apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const table = new Table({
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  table.push(...rows.map((row) => [...row]))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** What may stand on a command line as it is; anything else is quoted for a shell. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text
  return `'${safe(text).replaceAll("'", String.raw`'\''`)}'`
}

/** A command to type, with its words quoted. An id that begins with a dash goes behind `--`. */
export function commandLine(verb: string, ids: readonly string[], options: readonly string[] = []): string {
  const dashed = ids.some((id) => id.startsWith('-')) ? ['--'] : []
  const words = ids.map(shellWord)
  const all = dashed.length > 0 ? [...options, ...dashed, ...words] : [...words, ...options]
  return ['backstep', verb, ...all].join(' ')
}
