/**
 * One run: where it keeps things, and what is known of it while it goes on.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackstepError } from '../index.js'
import { monotonic, randomName } from './clock.js'
import { KillPlan } from './killing.js'
import type { SimulationOptions } from './options.js'
import { ServiceFleet } from './service-fleet.js'
import { Services, type ServicesOfRun } from './services.js'
import { Tally } from './tally.js'

export interface Run {
  readonly options: SimulationOptions
  /** Where the services keep their books; it is left there, to be looked at. */
  readonly folder: string
  /** Address of the orchestrator's store. */
  readonly store: string
  /** Part of every saga's id. */
  readonly name: string
  readonly services: ServicesOfRun
  /** The address of the operators' page, where there is one. */
  page: string | undefined
  /** Told of the page. */
  opened: ((run: Run) => void) | undefined
  /** What stays open until the report has been read; closed in reverse order. */
  readonly open: (() => Promise<unknown>)[]
  readonly tally: Tally
  readonly plan: KillPlan
  readonly stop: AbortSignal
  /** When it began, and when the last outcome was answered, by the monotonic clock. */
  readonly began: number
  booked: number
}

export async function begin(options: SimulationOptions, stop: AbortSignal): Promise<Run> {
  const folder = newFolder()
  return {
    options,
    folder,
    store: options.store ?? `sqlite:${join(folder, 'backstep.db')}`,
    name: randomName(),
    services: options.inProcess ? new Services(folder, options) : await ServiceFleet.start(folder, options),
    page: undefined,
    opened: undefined,
    open: [],
    tally: new Tally(),
    plan: new KillPlan(options),
    stop,
    began: monotonic(),
    booked: Number.NaN,
  }
}

function newFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'backstep-simulation-'))
  } catch (cause) {
    const message = `the services' books have no place: ${(cause as Error).message}`
    throw new BackstepError(message, { code: 'NO_FOLDER', hint: 'TMPDIR names another one', cause })
  }
}
