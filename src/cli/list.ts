/**
 * `backstep list`: sagas in pages, for people as a table, for programs as lines of JSON.
 */
import { type Command, Option } from 'commander'
import type { ListOptions, SagaSummary } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { formatDuration } from '../runtime/why.js'
import { addCommand, wholeNumber, withStore } from './command.js'
import type { Desk } from './desk.js'
import { columns, jsonLine, type Paint, safe } from './terminal.js'
import { ago, definitionOf, statusOf } from './words.js'

interface Flags {
  readonly status?: readonly string[]
  readonly name?: string
  readonly stuck?: true
  readonly blocked?: true
  readonly late?: true
  readonly limit: number
  readonly after?: string
  readonly order: 'newest' | 'oldest'
}

export function registerList(program: Command): void {
  addCommand(program, {
    usage: 'list',
    summary: 'list sagas, newest first',
    json: `one line for each saga: {"id", "name", "version", "status", "stuck",
"blocked", "late", "submittedAt", "endedAt", "dueAt", "owner", "cursor"};
times in ms since 1970, null where there is none; --after takes the cursor
of the last line`,
    examples: [
      ['backstep list --stuck', 'what needs a person'],
      ['backstep list --status queued,running --name book-trip', 'both statuses, one definition'],
      ['backstep list --order oldest --limit 1000 --json', 'for a program'],
    ],
  })
    .option(
      '--status <status>',
      'queued, running, rolling_back, committed or rolled_back; several with commas',
      statuses,
    )
    .option('--name <name>', "the definition's name")
    .option('--stuck', 'what is tried for ever and keeps failing')
    .option('--blocked', 'what no live process offers')
    .option('--late', 'what went back again, as a commit landed after the end')
    .option('--limit <n>', 'so many at most, up to 1000', wholeNumber, 50)
    .option('--after <cursor>', 'go on behind a page, with the cursor that it ended with')
    .addOption(new Option('--order <order>', 'which first').choices(['newest', 'oldest']).default('newest'))
    .action(withStore(list))
}

const statuses = (given: string, before: readonly string[] = []): string[] => [
  ...before,
  ...given.split(',').map((status) => status.trim()),
]

async function list({ orchestrator, terminal }: Desk, flags: Flags): Promise<void> {
  const { status, name, stuck, blocked, late, limit, after, order } = flags
  const { sagas, next } = await orchestrator.list({
    // Words that are no status are refused there, with those that are.
    ...(status === undefined ? {} : { status: status as ListOptions['status'] & object }),
    ...(name === undefined ? {} : { name }),
    ...(stuck ? { stuck } : {}),
    ...(blocked ? { blocked } : {}),
    ...(late ? { late } : {}),
    ...(after === undefined ? {} : { after }),
    limit,
    order,
  })
  if (terminal.json) {
    process.stdout.write(sagas.map((saga) => `${jsonLine(saga)}\n`).join(''))
    return
  }
  if (sagas.length === 0) terminal.talk('no such sagas')
  else terminal.answer(undefined, tableOf(sagas, systemClock.now(), terminal.paint))
  if (next !== undefined) terminal.talk(`there are more: add --after ${next}`)
}

/** The id comes last: it is what one copies, and it may be long. */
function tableOf(sagas: readonly SagaSummary[], now: number, paint: Paint): string {
  const head = ['STATUS', 'SUBMITTED', 'DUE', 'DEFINITION', 'ID'].map((word) => paint.dim(word))
  return columns([
    head,
    ...sagas.map((saga) => [
      statusOf(saga, paint),
      ago(saga.submittedAt, now),
      dueIn(saga, now),
      definitionOf(saga),
      safe(saga.id),
    ]),
  ])
}

function dueIn({ dueAt }: SagaSummary, now: number): string {
  if (dueAt === null) return ''
  return dueAt <= now ? 'now' : `in ${formatDuration(dueAt - now)}`
}
