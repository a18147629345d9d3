/**
 * The commands that step in: cancel, retry, resolve, rebind, prune. Each goes through the journal, under a name.
 *
 * Invariant: the answer on stdout says what became durable; what follows from it is said on stderr.
 */
import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { systemClock } from '../runtime/clock.js'
import { why } from '../runtime/why.js'
import { addCommand, wholeNumber, withStore } from './command.js'
import type { Desk } from './desk.js'
import { UsageError } from './failure.js'
import { safe } from './terminal.js'

interface ByActor {
  readonly actor?: string
}

/** The name in the journal: the one given, else that of the user at this machine. */
function actorOf({ actor }: ByActor): string {
  if (actor !== undefined) return actor
  try {
    return userInfo().username
  } catch {
    // A container's user need not have a name.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}

const actorOption = (): Option =>
  new Option('--actor <name>', 'who does it, for the journal (default: your user name)')

/** Says what the saga does now, on stderr. */
async function sayWhatFollows({ orchestrator, terminal }: Desk, id: string): Promise<void> {
  if (terminal.json) return
  const [saga, { workers }] = await Promise.all([orchestrator.get(id), orchestrator.health()])
  if (saga) terminal.talk(safe(why(saga, systemClock.now(), workers)))
}

export function registerOperations(program: Command): void {
  registerCancel(program)
  registerRetry(program)
  registerResolve(program)
  registerRebind(program)
  registerPrune(program)
}

function registerCancel(program: Command): void {
  addCommand(program, {
    usage: 'cancel <id>',
    summary: 'turn a saga back',
    more: 'Whatever may have taken effect is rolled back; a queued saga ends at once. Behind its pivot a saga cannot be cancelled, nor once it has ended.',
    json: 'one object: {"id", "result": "cancelled" | "already_rolling_back"}',
    examples: [[`backstep cancel order-7 --reason 'the customer called'`, 'the reason is kept']],
  })
    .requiredOption('--reason <text>', 'why, for the journal')
    .addOption(actorOption())
    .action(
      withStore<ByActor & { reason: string }>(async (desk, flags, [id = '']) => {
        const result = await desk.orchestrator.cancel(id, flags.reason, { actor: actorOf(flags) })
        const said = result === 'cancelled' ? 'cancelled' : 'is rolling back already'
        desk.terminal.answer({ id, result }, `${safe(id)} ${said}`)
        await sayWhatFollows(desk, id)
      }),
    )
}

function registerRetry(program: Command): void {
  addCommand(program, {
    usage: 'retry <id>',
    summary: 'end the wait for the next attempt',
    json: 'one object: {"id", "result": "retry_requested"}',
    examples: [['backstep retry order-7', 'the service is back: do not wait out the backoff']],
  })
    .addOption(actorOption())
    .action(
      withStore<ByActor>(async (desk, flags, [id = '']) => {
        await desk.orchestrator.retryNow(id, { actor: actorOf(flags) })
        desk.terminal.answer({ id, result: 'retry_requested' }, `${safe(id)} is tried again at once`)
        await sayWhatFollows(desk, id)
      }),
    )
}

interface ResolveFlags extends ByActor {
  readonly as: 'rolled_back' | 'committed'
  readonly reason: string
  readonly output?: string
}

function registerResolve(program: Command): void {
  addCommand(program, {
    usage: 'resolve <id> <step>',
    summary: 'settle a step by hand',
    more:
      'Do it once you have seen to the effect of the step yourself.\n' +
      'rolled_back: of a saga that rolls back, for a step whose rollback does not work.\n' +
      'committed: of a saga that goes on, for a step whose commit is waited for.',
    json: 'one object: {"id", "step", "result": "rolled_back" | "committed"}',
    examples: [
      [`backstep resolve order-7 hotel --as rolled_back --reason 'cancelled by phone'`, 'gives it up'],
      [
        `backstep resolve order-7 hotel --as committed --output '{"id":9}' --reason fax`,
        'goes on with an output',
      ],
    ],
  })
    .addOption(
      new Option('--as <end>', 'what has become of it')
        .choices(['rolled_back', 'committed'])
        .makeOptionMandatory(),
    )
    .requiredOption('--reason <text>', 'how you know, for the journal')
    .option('--output <json>', "the commit's output, for the steps behind it")
    .addOption(actorOption())
    .action(
      withStore<ResolveFlags>(async (desk, flags, [id = '', step = '']) => {
        const { as, reason } = flags
        const output = flags.output === undefined ? {} : { output: parsed(flags.output) }
        await desk.orchestrator.resolve(id, step, { as, reason, actor: actorOf(flags), ...output })
        desk.terminal.answer({ id, step, result: as }, `${safe(step)} of ${safe(id)} counts as ${as}`)
        await sayWhatFollows(desk, id)
      }),
    )
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    const why = error instanceof Error ? error.message : ''
    throw new UsageError(`--output is no JSON: ${why}`, `write it as '{"id": 7}', '"text"' or 'null'`)
  }
}

function registerRebind(program: Command): void {
  addCommand(program, {
    usage: 'rebind <id> <version>',
    summary: 'move a saga to another version',
    more: 'For an unfinished saga. A process must have offered that version, and its steps must begin like those the saga has begun.',
    json: 'one object: {"id", "version", "result": "rebound"}',
    examples: [['backstep rebind order-7 2', 'the version that it follows is gone for good']],
  })
    .addOption(actorOption())
    .action(
      withStore<ByActor>(async (desk, flags, [id = '', version = '']) => {
        await desk.orchestrator.rebind(id, version, { actor: actorOf(flags) })
        desk.terminal.answer(
          { id, version, result: 'rebound' },
          `${safe(id)} follows version ${safe(version)} from now on`,
        )
        await sayWhatFollows(desk, id)
      }),
    )
}

function registerPrune(program: Command): void {
  addCommand(program, {
    usage: 'prune',
    summary: 'forget sagas that ended long ago',
    more: 'What is left of each is a small note of its id and end, so that a late duplicate does not run again.',
    json: 'one object: {"pruned": how many}',
    examples: [
      ['backstep prune', 'what ended more than 30 days ago'],
      ['backstep prune --older-than 12h --limit 10000', 'in portions'],
    ],
  })
    .option('--older-than <duration>', 'what ended longer ago: 12h, 30d', '30d')
    .option('--limit <n>', 'so many at most (default: all)', wholeNumber)
    .action(
      withStore<{ olderThan: string; limit?: number }>(
        async ({ orchestrator, terminal }, { olderThan, limit }) => {
          const pruned = await orchestrator.prune({ olderThan, ...(limit === undefined ? {} : { limit }) })
          terminal.answer({ pruned }, `pruned ${pruned} ${pruned === 1 ? 'saga' : 'sagas'}`)
        },
      ),
    )
}
