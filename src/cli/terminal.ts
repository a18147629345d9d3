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
import { jsonLine, safe } from '../runtime/text.js'

export { clip, jsonLine, safe, wrap } from '../runtime/text.js'

export type Paint = ReturnType<typeof colors.createColors>

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
