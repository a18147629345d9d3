/**
 * `backstep doctor`: is the store sound, is somebody there, and is anything stuck or blocked.
 *
 * Invariants
 * - It changes nothing. Exit code 1 if anything is wrong.
 * - Each thing that is wrong comes with a remedy that can be typed.
 */
import type { Command } from 'commander'
import type { Health, SagaView, StepView } from '../index.js'
import { systemClock } from '../runtime/clock.js'
import { why } from '../runtime/why.js'
import { addCommand, atPlace } from './command.js'
import { atDesk, type Desk, fileOf, type Place } from './desk.js'
import {
  type Check,
  diskCheck,
  fileCheck,
  integrityCheck,
  processCheck,
  sagaCheck,
  storeCheck,
} from './doctor-checks.js'
import { exitCodeOf, tell } from './failure.js'
import { columns, commandLine, type Paint, safe, type Terminal, wrap } from './terminal.js'

/** Sagas shown of each kind; the list has all. */
const shown = 10

interface Patient {
  readonly id: string
  readonly definition: string
  readonly why: string
  /** Commands that may help. */
  readonly remedies: readonly string[]
}

interface Report {
  readonly ok: boolean
  readonly store: string
  readonly checks: readonly Check[]
  readonly counts?: Health['counts']
  readonly workers?: Health['workers']
  readonly stuck?: readonly Patient[]
  readonly blocked?: readonly Patient[]
}

export function registerDoctor(program: Command): void {
  addCommand(program, {
    usage: 'doctor',
    summary: 'check the store, processes and troubled sagas',
    more: 'Exit code 1 if anything is wrong. The pages of the file are checked one by one, which takes seconds per GB.',
    json: `one object: {"ok", "store", "checks": [{"name", "ok", "detail", "hint"}],
"counts", "workers", "stuck": [{"id", "definition", "why", "remedies"}],
"blocked": [the same]}`,
    examples: [
      ['backstep doctor', 'in the folder of backstep.db'],
      ['backstep doctor --store sqlite:/var/lib/trips.db --json', 'for a monitor'],
    ],
  }).action(
    atPlace(async (place) => {
      const report = await examine(place)
      place.signal.throwIfAborted()
      place.terminal.answer(report, textOf(report, place))
      return report.ok ? 0 : 1
    }),
  )
}

async function examine(place: Place): Promise<Report> {
  const store = place.shown
  const checks: Check[] = []
  try {
    const path = fileOf(place.address)
    if (path !== undefined) checks.push(fileCheck(path))
    const found = await atDesk(place, (desk) => examineSagas(desk, checks, path))
    return { ok: checks.every(({ ok }) => ok), store, checks, ...found }
  } catch (error) {
    // A wrong address is wrong usage, and a bug is a bug; anything else is what the doctor was asked to find.
    const { code, message, hint } = tell(error)
    if (place.signal.aborted || code === 'UNEXPECTED' || exitCodeOf(error) !== 1) throw error
    const name = checks.length === 0 && place.address.startsWith('sqlite:') ? 'file' : 'store'
    checks.push({ name, ok: false, detail: message, ...(hint === undefined ? {} : { hint }) })
    return { ok: false, store, checks }
  }
}

async function examineSagas(
  desk: Desk,
  checks: Check[],
  path: string | undefined,
): Promise<Omit<Report, 'ok' | 'store' | 'checks'>> {
  const { orchestrator, signal } = desk
  const health = await orchestrator.health()
  checks.push(storeCheck(health))
  if (path !== undefined) checks.push(await integrityCheck(path, signal), await diskCheck(path))
  checks.push(processCheck(health), sagaCheck('stuck', health), sagaCheck('blocked', health))
  const stuck = await patients(desk, 'stuck', health)
  const blocked = await patients(desk, 'blocked', health)
  return { counts: health.counts, workers: health.workers, stuck, blocked }
}

async function patients(desk: Desk, kind: 'stuck' | 'blocked', health: Health): Promise<Patient[]> {
  const { orchestrator, storeOption } = desk
  if (health.counts[kind] === 0) return []
  const { sagas } = await orchestrator.list({ [kind]: true, order: 'oldest', limit: shown })
  const views = await Promise.all(sagas.map(({ id }) => orchestrator.get(id)))
  return views.flatMap((saga) => (saga ? [patientOf(saga, kind, health, storeOption)] : []))
}

function patientOf(
  saga: SagaView,
  kind: 'stuck' | 'blocked',
  { workers }: Health,
  storeOption: readonly string[],
): Patient {
  return {
    id: saga.id,
    definition: `${saga.name}@${saga.version}`,
    why: why(saga, systemClock.now(), workers),
    remedies: kind === 'stuck' ? unstick(saga, storeOption) : unblock(saga, workers, storeOption),
  }
}

function unstick(saga: SagaView, store: readonly string[]): string[] {
  const as = saga.wayBack ? 'rolled_back' : 'committed'
  const resolve = ({ name }: StepView): string =>
    commandLine('resolve', [saga.id, name], ['--as', as, '--reason', "'…'", ...store])
  return [commandLine('retry', [saga.id], store), ...saga.steps.filter(({ stuck }) => stuck).map(resolve)]
}

function unblock(saga: SagaView, workers: Health['workers'], store: readonly string[]): string[] {
  const versions = workers
    .filter(({ alive }) => alive)
    .flatMap(({ offers }) => offers)
    .filter(({ name, version }) => name === saga.name && version !== saga.version)
    .map(({ version }) => version)
  return [...new Set(versions)].map((version) => commandLine('rebind', [saga.id, version], store))
}

function textOf(report: Report, { terminal, storeOption }: Place): string {
  const { paint, width } = terminal
  return [
    paint.bold(safe(report.store)),
    ...report.checks.map((check) => checkText(check, paint, width)),
    ...(report.counts ? ['', countsText(report.counts)] : []),
    ...patientsText('stuck', report, terminal, storeOption),
    ...patientsText('blocked', report, terminal, storeOption),
  ].join('\n')
}

function checkText({ name, ok, detail, hint }: Check, paint: Paint, width: number): string {
  const mark = ok ? paint.green('✔') : paint.red('✘')
  const lines = [safe(detail), ...(hint === undefined ? [] : [`hint: ${safe(hint)}`])]
  const text = lines.map((line) => wrap(line, width, 14)).join(`\n${' '.repeat(14)}`)
  return `${mark} ${name.padEnd(12)}${text}`
}

function countsText(counts: Health['counts']): string {
  const { queued, running, rolling_back, committed, rolled_back } = counts
  return columns([
    ['queued', 'running', 'rolling_back', 'committed', 'rolled_back'],
    [queued, running, rolling_back, committed, rolled_back].map(String),
  ])
}

const general = {
  stuck:
    'Their attempts go on for ever. Mend what they call; or settle a step by hand, once you have seen to it:',
  blocked: 'They wait for a process that offers their definition; they go on by themselves when one does.',
} as const

function patientsText(
  kind: 'stuck' | 'blocked',
  report: Report,
  { paint, width }: Terminal,
  storeOption: readonly string[],
): string[] {
  const list = report[kind] ?? []
  if (list.length === 0) return []
  const left = (report.counts?.[kind] ?? 0) - list.length
  const all = commandLine('list', [], [`--${kind}`, ...storeOption])
  return [
    '',
    `${paint.red(kind)}  ${wrap(general[kind], width, kind.length + 2)}`,
    ...list.flatMap(({ id, definition, why: reason, remedies }) => [
      `  ${paint.bold(safe(id))}  ${safe(definition)}`,
      `    ${wrap(safe(reason), width, 4)}`,
      ...remedies.map((line) => paint.cyan(`    ${line}`)),
    ]),
    ...(left > 0 ? [`  and ${left} more: ${all}`] : []),
  ]
}
