/**
 * Seeded histories: three processes over one store under faults of every kind (answers lost or late, writes not made, reads that
 * fail, processes that freeze past their lease, die, close, and come again; cancels and retries by hand), judged from outside.
 */
import { Orchestrator } from 'backstep'
import { judgeSaga, overlaps } from '../../support/ledger.js'
import { Place } from './place.js'
import { World } from './world.js'

export interface ChaosReport {
  readonly wrong: readonly string[]
  /** How often each thing happened, to show that it did. */
  readonly counts: Readonly<Record<string, number>>
  /** Journal and ledger of the first saga that was wronged, for whoever looks for the reason. */
  readonly history: string
}

const sagas = 30

/** Submits until it is stored, from whatever process is there: the id makes that safe. */
async function submit(
  world: World,
  places: readonly Place[],
  id: string,
  keys: readonly string[] | null,
): Promise<void> {
  const kind = keys === null ? 'serial' : 'keyed'
  while (!(await world.pick(places)?.submit(kind, { keys: keys ?? [] }, id))) await world.clock.sleep(20)
}

/** Cancels and retries by hand, now and then, from anywhere. */
async function meddle(world: World, places: readonly Place[], ids: readonly string[]): Promise<void> {
  while (!world.calm) {
    await world.clock.sleep(world.clock.random() * 300)
    const orchestrator = world.pick(places)?.orchestrator
    const id = world.pick(ids)
    if (!orchestrator || id === undefined) continue
    const wish = world.chance(0.5) ? orchestrator.retryNow(id) : orchestrator.cancel(id, 'by hand')
    // Not awaited: its process may die meanwhile.
    void wish.then(
      () => world.count('wishes fulfilled'),
      () => {},
    )
  }
}

async function happen(
  world: World,
  places: readonly Place[],
  keys: ReadonlyMap<string, readonly string[] | null>,
): Promise<void> {
  const submitted: string[] = []
  const meddling = meddle(world, places, submitted)
  for (const [id, wanted] of keys) {
    await submit(world, places, id, wanted)
    submitted.push(id)
    await world.clock.sleep(world.clock.random() * 100)
  }
  await world.clock.sleep(2_000)
  world.calm = true
  await meddling
}

export async function chaos(seed: number): Promise<ChaosReport> {
  const world = new World(seed)
  const { clock } = world
  const keys = new Map<string, readonly string[] | null>()
  for (let i = 0; i < sagas; i++) {
    const some = Array.from(
      { length: Math.floor(clock.random() * 3) },
      () => `k${Math.floor(clock.random() * 5)}`,
    )
    keys.set(`s${i}`, world.chance(0.2) ? null : some)
  }
  const places = [1, 2, 3].map((number) => new Place(world, number))
  await clock.until(happen(world, places, keys), 1_000_000)
  const reader = await clock.until(Orchestrator.open(world.memory, { clock, work: false, log: false }))
  // What was called before the calm may still land, and go back.
  await clock.advance(6_000)
  const unfinished = ['queued', 'running', 'rolling_back'] as const
  await clock
    .when(async () => (await reader.list({ status: unfinished })).sagas.length === 0, 50_000)
    .catch(() => {})
  const { wrong, history } = await judgeAll(world, reader, keys)
  await clock.until(Promise.all(places.map((place) => place.stop())))
  await clock.until(reader.close())
  await clock.advance(1_000)
  if (clock.timers > 0) wrong.push(`${clock.timers} timers are left`)
  return { wrong: wrong.map((what) => `seed ${seed}: ${what}`), counts: world.counts, history }
}

async function judgeAll(
  world: World,
  reader: Orchestrator,
  keys: ReadonlyMap<string, readonly string[] | null>,
): Promise<{ wrong: string[]; history: string }> {
  const { lines } = world.ledger
  const wrong: string[] = []
  const late = new Set<string>()
  let history = ''
  for (const id of keys.keys()) {
    const found = await judgeSaga(reader, id, lines)
    const journal = (await reader.journal(id)) ?? []
    for (const entry of journal)
      world.count(entry.type === 'failed' ? `failed by ${entry.cause}` : entry.type)
    if (journal.some(({ type }) => type === 'late')) late.add(id)
    const own = lines.filter(({ saga }) => saga === id)
    if (found.length > 0) history ||= [...journal, ...own].map((line) => JSON.stringify(line)).join('\n')
    wrong.push(...found)
  }
  // A call that outlives its owner ends when it will: what must not overlap is that calls begin.
  const begun = lines.filter(({ outcome, saga }) => outcome === 'begun' && !late.has(saga))
  wrong.push(...overlaps(begun, (id) => keys.get(id) ?? null).wrong)
  return { wrong, history }
}
