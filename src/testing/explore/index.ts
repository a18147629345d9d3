/**
 * explore: runs a user's saga through every way in which it can go wrong, and checks what must hold at the end of each.
 *
 * Invariants
 * - What runs is what ships: the orchestrator, its worker and its executions, over a memory store and in virtual time.
 * - The world is fresh for each history, and a history that cannot be repeated is said to be one, not reported as a finding.
 */
import { type BackstepError, BadInputError } from '../../core/errors.js'
import { said } from '../world.js'
import { Choices, type Fault, faultAt, nameOf, type Point, parseName } from './faults.js'
import { Diverged, type Given, type History, Run, runHistory, samePoints } from './history.js'
import { type Checked, checkExploreOptions, type Explorable, type ExploreOptions } from './options.js'
import { type Explored, explorationError, exploredOf, replayedOf } from './report.js'
import { Search } from './search.js'
import { Story } from './story.js'

/**
 * Runs a saga through every way it can go wrong, in virtual time: each call rejected, failed after its effect, hanging, late;
 * its process dead before and after every write; the store failing; a cancel and the deadline at every moment; and these in pairs.
 *
 * @example
 * await explore(bookTrip, {
 *   input: { to: 'LIS' },
 *   world: { reset: () => hotel.clear(), hotel },
 *   invariant: ({ world, status }) => assert.equal(world.hotel.size, status === 'committed' ? 1 : 0),
 * })
 * @throws ExplorationError (`INVARIANT_BROKEN`, `NEVER_ENDS`) with the shortest history that fails, its story and its name
 * @throws BadInputError for what cannot be explored: no saga, a world that cannot be reset, an invariant with a mistake of its own
 */
export async function explore<Input, Outputs, World>(
  saga: Explorable<Input, Outputs, World>,
  options: ExploreOptions<Input, Outputs, World>,
): Promise<Explored> {
  const checked = checkExploreOptions(saga, options)
  const explorer = new Explorer(checked)
  if (checked.replay !== undefined) return explorer.replay(checked.replay)
  return explorer.explore()
}

class Explorer {
  readonly #checked: Checked
  readonly #choices: Choices
  #name = ''

  constructor(checked: Checked) {
    this.#checked = checked
    this.#choices = new Choices(checked.unseen)
  }

  async explore(): Promise<Explored> {
    await this.#checkAtRest()
    const searched = await new Search((faults, before) => this.#run(faults, before), this.#checked).all()
    if (searched.failing) {
      await this.#checkReset()
      throw await this.#failure(searched.failing, true)
    }
    return exploredOf(this.#name, searched, this.#checked.faults)
  }

  async replay(name: string): Promise<Explored> {
    let history = await this.#run([])
    for (const { point: number, kind } of parseName(name) ?? []) {
      const point = history.points[number]
      if (!point?.kinds.includes(kind))
        throw new BadInputError(
          `explore: there is no history ${name} of this saga any more`,
          'leave replay out: the saga or its world has changed since',
        )
      history = await this.#run([...history.faults, faultAt(number, kind, point)], history.points)
    }
    if (history.verdict.is !== 'holds') throw await this.#failure(history, false)
    return replayedOf(this.#name, history)
  }

  async #given(): Promise<Given> {
    const world = await this.#checked.freshWorld()
    const { input, invariant, definitionFor } = this.#checked
    const define = () => definitionFor(world)
    const definition = define()
    this.#name = definition.anonymous ? 'the list of steps' : definition.plan.name
    return { define, input, world, invariant, choices: this.#choices }
  }

  async #run(faults: readonly Fault[], before?: readonly Point[]): Promise<History> {
    try {
      const history = await runHistory(await this.#given(), faults, before)
      const { verdict } = history
      // Where all went well it is a mistake; elsewhere it may well be what the broken world looks like to it.
      if (faults.length === 0 && verdict.is === 'broken' && isMistake(verdict.cause))
        throw invariantThrew(verdict.cause)
      return history
    } catch (error) {
      if (error instanceof Diverged) throw notRepeatable(`in the history ${nameOf(faults)}, ${error.message}`)
      throw error
    }
  }

  /** Where nothing goes wrong the invariant must hold; and the second time all must be as it was the first time. */
  async #checkAtRest(): Promise<void> {
    const first = await this.#run([])
    if (first.verdict.is !== 'holds') throw await this.#failure(first, true)
    const second = await this.#checkReset()
    if (!samePoints(first.points, second.points)) throw notRepeatable('twice the same was not the same')
  }

  /** What has held must hold again, whatever ran in between: else the world is not as it was. */
  async #checkReset(): Promise<History> {
    const again = await this.#run([])
    const { verdict } = again
    if (verdict.is === 'holds') return again
    throw new BadInputError(
      `explore: the invariant held where nothing went wrong, and the next time it did not: ${verdict.why}`,
      'the world is not as it was: reset() must undo all that a history does to it, or make a new world for each',
      { cause: 'cause' in verdict ? verdict.cause : undefined },
    )
  }

  /** Runs it once more, and listens. */
  async #failure(history: History, isShortest: boolean): Promise<Error> {
    const given = await this.#given()
    const run: Run = new Run(
      {
        ...given,
        teller: {
          say: (t) => story.say(t),
          fault: (f, p) => story.fault(f, p),
          written: (e, at) => story.written(e, at),
          call: (w, d, o, c) => story.call(w, d, o, c),
        },
      },
      history.faults,
    )
    const story = new Story(run.clock.now)
    const again = await run.run()
    if (again.verdict.is !== history.verdict.is)
      return notRepeatable('the history that failed did not fail again')
    const steps = stepsOf(given, again)
    const blame =
      story.blame(steps, again.status === 'committed' ? 'commit' : 'rollback') ?? unrolled(given, steps)
    return explorationError(this.#name, again, { story: story.text, blame, isShortest })
  }
}

/** The step that the last fault befell, and those beside it: in a group it may be another's mistake. */
function stepsOf({ define }: Given, { faults, points }: History): readonly string[] {
  const last = faults.at(-1)
  const what = last && points[last.point]?.what
  const { steps } = define().plan
  const step = steps.find(({ name }) => what?.endsWith(` of ${name}`))
  return steps.filter(({ position }) => position === step?.position).map(({ name }) => name)
}

/** Nothing was called that could be wrong: perhaps because there is nothing to call. */
function unrolled({ define }: Given, names: readonly string[]): string | undefined {
  const { steps } = define().plan
  const without = steps.filter(
    ({ hasRollback, name }) => !hasRollback && (names.length === 0 || names.includes(name)),
  )
  return without.length > 0
    ? `${without.map(({ name }) => name).join(', ')}: there is no rollback`
    : undefined
}

/** A mistake in the invariant itself says nothing of the saga. */
const isMistake = (thrown: unknown): boolean =>
  thrown instanceof TypeError ||
  thrown instanceof ReferenceError ||
  thrown instanceof SyntaxError ||
  thrown instanceof RangeError

const invariantThrew = (cause: unknown): BackstepError =>
  new BadInputError(
    `explore: the invariant itself threw ${said(cause)}`,
    'mend it: it must hold an assertion, or return false or a text, also for a saga that was rolled back',
    { cause },
  )

const notRepeatable = (why: string): BackstepError =>
  new BadInputError(
    `explore: the saga does not do the same thing twice: ${why}`,
    'take time, chance and ids out of its steps and its world, or give them by a seed',
  )
