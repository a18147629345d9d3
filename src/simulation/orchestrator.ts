/**
 * How a simulation opens and reads its orchestrator.
 */
import { BadInputError, Orchestrator, type SagaSummary, type Status } from '../index.js'
import type { End } from './audit.js'
import { monotonic, pause } from './clock.js'
import { grace } from './faults.js'
import { sagaId } from './feed.js'
import type { BookTrip } from './saga.js'

/** Faults are the point here, so nothing is logged: thousands of warnings would say what the table says. */
export function orchestratorOptions(
  definition: BookTrip,
  { concurrency, store }: { readonly concurrency: number; readonly store: string },
) {
  const options = { sagas: [definition], concurrency, grace, log: false } as const
  // On SQLite the death of a process is seen at once. Elsewhere its lease must run out, and nobody wants to watch that.
  return store.startsWith('sqlite:') ? options : { ...options, lease: '3s' }
}

/** How long sagas that went back late may take once nothing hangs any more, ms. */
const patience = 30_000

const unfinished: readonly Status[] = ['queued', 'running', 'rolling_back']

/** Refuses a store that has unfinished sagas: they would wait for the trips, or the trips for them. */
export async function refuseBusyStore(address: string): Promise<void> {
  const observer = await Orchestrator.open(address, { work: false, log: false })
  try {
    const { sagas } = await observer.list({ status: unfinished, limit: 1 })
    const [first] = sagas
    if (first) {
      throw new BadInputError(
        `--store ${address}: saga ${first.id} is unfinished`,
        'leave --store out, or name a file that does not exist yet',
      )
    }
  } finally {
    await observer.close()
  }
}

/** Waits until no trip of this run is under way any more, within reason. */
export async function settle(orchestrator: Orchestrator, run: string, stop: AbortSignal): Promise<void> {
  const deadline = monotonic() + patience
  while (!stop.aborted && monotonic() < deadline && (await hasUnfinished(orchestrator, run))) await pause(20)
}

export async function hasUnfinished(orchestrator: Orchestrator, run: string): Promise<boolean> {
  for await (const { id } of each(orchestrator, { status: unfinished })) {
    if (tripOf(run, id) !== undefined) return true
  }
  return false
}

/** What every saga of this run came to. */
export async function endsOf(orchestrator: Orchestrator, run: string): Promise<Map<number, End>> {
  const ends = new Map<number, End>()
  for await (const { id, status } of each(orchestrator, {})) {
    const trip = tripOf(run, id)
    if (trip === undefined) continue
    ends.set(trip, status === 'committed' || status === 'rolled_back' ? status : 'unfinished')
  }
  return ends
}

/** The trip of a saga, undefined for one of another run. */
function tripOf(run: string, id: string): number | undefined {
  const prefix = sagaId(run, '')
  return id.startsWith(prefix) ? Number(id.slice(prefix.length)) : undefined
}

/** All sagas that fit, page by page. */
async function* each(
  orchestrator: Orchestrator,
  filter: { readonly status?: readonly Status[] },
): AsyncGenerator<SagaSummary> {
  let after: string | undefined
  do {
    const page = await orchestrator.list({
      ...filter,
      order: 'oldest',
      limit: 1_000,
      ...(after && { after }),
    })
    yield* page.sagas
    after = page.next
  } while (after !== undefined)
}
