/**
 * `backstep serve`: the API and the page on a store, until a signal comes.
 *
 * Invariants
 * - Tokens come from a file or the environment, never from the command line, which every user of the machine can read.
 * - No message shows a token, nor the password in the store's address.
 * - SIGINT and SIGTERM drain: what is under way ends, or goes on elsewhere; a second one ends the process at once.
 */
import { readFileSync, statSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { pino } from 'pino'
import {
  checkServeOptions,
  loadDefinitions,
  type SagaServer,
  type ServeOptions,
  serve,
  type Token,
  withoutPayloads,
} from '../http/index.js'
import { BackstepError, type Definition, type Logger, Orchestrator } from '../index.js'
import { addCommand } from './command.js'
import { type Place, placeOf, type Shared } from './desk.js'
import { UsageError } from './failure.js'
import { shellWord, Terminal } from './terminal.js'

interface Flags extends Shared {
  readonly port: number
  readonly host: string
  readonly tokenFile?: string
  readonly readOnly?: true
  readonly work: boolean
  readonly definitions?: string[]
  readonly allow?: string[]
  readonly redact?: string[]
  readonly showPayloads?: true
  readonly allowHost?: string[]
  readonly log: 'silent' | 'error' | 'warn' | 'info'
}

const levels = ['silent', 'error', 'warn', 'info'] as const
/** What runs may go on so long after the first signal, ms. */
const drain = 10_000

export function registerServe(program: Command): void {
  addCommand(program, {
    usage: 'serve',
    summary: 'serve the API and the page',
    more:
      'Makes the store if it is not there. Without tokens everybody who reaches the\n' +
      'address may do everything: so only loopback is served then. Tokens are JSON,\n' +
      '[{"token", "role": "read" | "operate", "name"}], in --token-file or in\n' +
      'BACKSTEP_TOKENS.',
    json: 'one object once it listens: {"page", "api", "store", "pid"}',
    examples: [
      ['backstep serve', 'at http://127.0.0.1:7700/, on sqlite:backstep.db'],
      ['backstep serve --store postgres://app@db/trips --no-work', 'shows what others run'],
      ['backstep serve --definitions trips.yaml', 'runs the sagas of a definition file'],
      ['backstep serve --host 0.0.0.0 --token-file /etc/backstep/tokens.json', 'for other machines'],
      ['backstep serve --read-only --redact input.card', 'nobody can step in, and no card is shown'],
    ],
  })
    .option('--port <n>', 'where to listen; 0: any that is free', portNumber, 7700)
    .option('--host <address>', 'any but loopback needs tokens', '127.0.0.1')
    .option('--token-file <path>', 'who may call (default: BACKSTEP_TOKENS)')
    .option('--allow-host <name...>', 'names that requests may be addressed to')
    .option('--read-only', 'nobody submits or steps in here')
    .option('--no-work', 'run no saga here')
    .option('--definitions <file...>', 'sagas of remote steps, in YAML or JSON')
    .option('--allow <origin...>', 'where remote steps may go; submits may bring steps then')
    .option('--redact <path...>', 'never shown, such as input.card')
    .option('--show-payloads', 'to the role read, too')
    .addOption(new Option('--log <level>', 'JSON on stderr').choices(levels).default('warn'))
    .action(async (flags: Flags) => {
      const terminal = new Terminal(flags.json === true)
      await serveUntilSignal(placeOf(flags, terminal, new AbortController().signal), flags)
    })
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('Not a port: 0 to 65535.')
}

async function serveUntilSignal(place: Place, flags: Flags): Promise<void> {
  const { address, shown, terminal } = place
  const options = optionsOf(flags)
  // Before the store is made.
  checkServeOptions(options)
  const sagas = definitionsOf(flags)
  const signalled = nextSignal()
  const orchestrator = await Orchestrator.open(address, {
    sagas,
    work: flags.work,
    create: flags.readOnly !== true,
    log: options.log,
  })
  let server: SagaServer
  try {
    server = await serve(orchestrator, options)
  } catch (error) {
    await orchestrator.close({ drain: 0 })
    throw error
  }
  const api = `${server.url}v1/sagas`
  const value = { page: server.url, api, store: shown, pid: process.pid }
  terminal.answer(value, `page   ${server.url}\nAPI    ${api}\nstore  ${shellWord(shown)}`)
  const signal = await signalled
  terminal.talk(`${signal}: what runs may end, for ${drain / 1_000} s at most; a second one ends it at once`)
  await Promise.all([server.close({ drain }), orchestrator.close({ drain })])
}

/** The first one; the second is left to Node, which ends the process. */
function nextSignal(): Promise<NodeJS.Signals> {
  const names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM']
  return new Promise((resolve) => {
    const hear = (name: NodeJS.Signals): void => {
      for (const one of names) process.off(one, hear)
      resolve(name)
    }
    for (const name of names) process.on(name, hear)
  })
}

function optionsOf(flags: Flags): ServeOptions & { readonly log: Logger } {
  const { port, host, readOnly, redact, showPayloads, allowHost } = flags
  const logger: Logger = pino(
    { name: 'backstep', level: flags.log },
    pino.destination({ dest: 2, sync: true }),
  )
  return {
    port,
    host,
    tokens: tokensOf(flags.tokenFile),
    // An error may quote what is not to be shown.
    log: redact ? withoutPayloads(logger) : logger,
    ...(flags.allow ? { allow: flags.allow } : {}),
    ...(readOnly ? { readOnly } : {}),
    ...(redact ? { redact } : {}),
    ...(showPayloads ? { showPayloads } : {}),
    ...(allowHost ? { hosts: allowHost } : {}),
  }
}

/** Throws DefinitionError, which names file, line and column. */
function definitionsOf({ definitions = [], allow }: Flags): Definition[] {
  return definitions.flatMap((file) => {
    try {
      return loadDefinitions(file, allow ? { allow } : {})
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (error instanceof BackstepError || code === undefined) throw error
      throw new UsageError(`${file} cannot be read: ${code}`, 'name a definition file, in YAML or JSON')
    }
  })
}

/** Only parsed here; who they are is checked where they are used. Throws UsageError, which quotes nothing of it. */
function tokensOf(file: string | undefined): readonly Token[] {
  const text = file === undefined ? process.env['BACKSTEP_TOKENS'] : readTokens(file)
  if (text === undefined || text.trim() === '') return []
  try {
    return JSON.parse(text) as readonly Token[]
  } catch {
    throw new UsageError(`${file ?? 'BACKSTEP_TOKENS'} is no JSON`, howToWrite)
  }
}

const howToWrite = `write [{"token": "…", "role": "operate", "name": "ada"}]; openssl rand -hex 32 makes a token`

function readTokens(file: string): string {
  try {
    const { mode } = statSync(file)
    if ((mode & 0o004) !== 0) Terminal.fail(`warning: ${file} can be read by every user: chmod o= it`)
    const text = readFileSync(file, 'utf8')
    if (text.trim() !== '') return text
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw new UsageError(`${file} cannot be read: ${code}`, 'name a file that this user may read')
  }
  throw new UsageError(`${file} is empty`, howToWrite)
}
