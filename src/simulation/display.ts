/**
 * What a person sees: a bar with running counts while it goes on, a table and a verdict at the end.
 *
 * Invariants
 * - Talk goes to stderr; what was asked for, the table or one line of JSON, goes to stdout.
 * - A terminal gets a bar, anything else a plain line now and then. NO_COLOR is respected.
 */
import { type GenericFormatter, SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import colors from 'picocolors'
import { every, monotonic } from './clock.js'
import type { Run } from './run.js'
import type { Report } from './simulate.js'

type Paint = ReturnType<typeof colors.createColors>

/** Colours where the stream is a terminal and nobody asked for none. */
export const paintFor = (stream: { readonly isTTY?: boolean }): Paint =>
  colors.createColors(stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb')

/** Shows how a run goes; returns how to stop showing it. */
export function showProgress(run: Run, stream: NodeJS.WriteStream = process.stderr): () => void {
  return stream.isTTY ? showBar(run, stream) : showLines(run, stream)
}

function showBar(run: Run, stream: NodeJS.WriteStream): () => void {
  const paint = paintFor(stream)
  const format: GenericFormatter = (_, { progress }) => barLine(run, progress, paint, stream.columns ?? 80)
  const bar = new SingleBar({
    stream,
    format,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  })
  const update = () => bar.update(run.tally.answered)
  bar.start(run.options.sagas, 0)
  const stop = every(100, update)
  return () => {
    stop()
    update()
    bar.stop()
  }
}

function barLine(run: Run, progress: number, paint: Paint, columns: number): string {
  const counts = countsOf(run)
  const width = Math.max(10, Math.min(30, columns - counts.length - 12))
  const done = Math.round(progress * width)
  const percent = `${Math.floor(progress * 100)}%`.padStart(4)
  return `${paint.green('█'.repeat(done))}${paint.dim('░'.repeat(width - done))}${percent}  ${counts}`.slice(
    0,
    400,
  )
}

/** A line after a second, then at every tenth of the run and at least every five seconds. */
function showLines(run: Run, stream: NodeJS.WriteStream): () => void {
  let [tenth, last] = [0, monotonic() - 4_000]
  return every(100, () => {
    const now = Math.floor((10 * run.tally.answered) / run.options.sagas)
    if (now === tenth && monotonic() - last < 5_000) return
    ;[tenth, last] = [now, monotonic()]
    stream.write(`${run.tally.answered}/${run.options.sagas} trips  ${countsOf(run)}\n`)
  })
}

function countsOf({ tally, services, plan, options, began }: Run): string {
  const { commitFailures, rollbackFailures } = services.counts
  return [
    `${tally.committed} committed`,
    `${tally.rolledBack} rolled back`,
    `${commitFailures + rollbackFailures} failed calls`,
    ...(options.kill > 0 ? [`${plan.kills}/${options.kill} kills`] : []),
    `${Math.round((monotonic() - began) / 1_000)}s`,
  ].join(' · ')
}

/** The table and the verdict, as text. */
export function summaryOf(report: Report, kill: number, paint: Paint): string {
  const table = new Table({ chars: noRules, style: { head: [], border: [] }, colAligns: ['left', 'right'] })
  table.push(
    ['trips', report.sagas],
    ['committed', paint.green(String(report.committed))],
    ['rolled back', paint.yellow(String(report.rolledBack))],
    ['unfinished', alarm(report.unfinished, paint)],
    ['violations', alarm(report.violations, paint)],
    ['calls of services', report.calls],
    ['failed commits', report.commitFailures],
    ['failed rollbacks', report.rollbackFailures],
    ['of both, timeouts', report.timeouts],
    ['repeated calls, answered from records', report.duplicates],
    ['late commits, refused', report.lateRefused],
    ...(kill > 0 ? [['kills', report.kills < kill ? alarm(report.kills, paint) : report.kills]] : []),
    ...(report.serviceKills > 0 ? [['of them with a service', report.serviceKills]] : []),
    ['seconds', report.seconds.toFixed(1)],
    ['trips per second', report.sagasPerSecond],
  )
  return [
    table.toString(),
    '',
    ...verdictOf(report, kill, paint),
    '',
    `  ${paint.dim(whereToLook(report))}`,
    '',
  ].join('\n')
}

/** No lines between rows: the table and the command fit on one screen. */
const noRules = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }

const alarm = (count: number, paint: Paint): string => (count > 0 ? paint.red(String(count)) : '0')

function verdictOf(report: Report, kill: number, paint: Paint): string[] {
  const lines = report.details.map((line) => `${paint.red('✘')} ${line}`)
  if (report.violations > report.details.length) {
    lines.push(`${paint.red('✘')} and ${report.violations - report.details.length} more`)
  }
  if (report.unfinished > 0) {
    const why = report.interrupted ? 'it was stopped' : 'nothing moved any more'
    lines.push(`${paint.red('✘')} ${report.unfinished} trips are unfinished: ${why}`)
  }
  if (report.kills < kill) lines.push(`${paint.red('✘')} ${report.kills} kills of ${kill} happened`)
  if (lines.length > 0) return lines
  return [
    `${paint.green('✔')} Every trip is whole or wholly undone; no money, seat or room was lost or made.`,
  ]
}

const whereToLook = ({ store, books, seed }: Report): string =>
  `store ${store}\n  books ${books}\n  the same faults again: --seed ${seed}`
