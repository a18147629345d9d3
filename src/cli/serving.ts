/**
 * What `backstep serve` does once its flags are read: the API and the page on a store, until a signal comes.
 *
 * Invariants
 * - Tokens come from a file or the environment, never from the command line, which every user of the machine can read.
 * - No message shows a token, nor the password in the store's address.
 * - SIGINT and SIGTERM drain: what is under way ends, or goes on elsewhere; a second one ends the process at once.
 */
import { readFileSync, statSync } from 'node:fs'
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
import type { Place } from './desk.js'
import { UsageError } from './failure.js'
import type { Flags } from './serve-flags.js'
import { paintFor, shellWord } from './terminal.js'

/** What runs may go on so long after the first signal, ms. */
const drain = 10_000

export async function serveUntilSignal(place: Place, flags: Flags): Promise<void> {
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

/** Throws DefinitionError, which names file, line and column; UsageError for a saga that is in two files: which of them would run? */
function definitionsOf({ definitions = [], allow }: Flags): Definition[] {
  const fileOf = new Map<string, string>()
  return definitions.flatMap((file) => {
    const sagas = definitionsIn(file, allow)
    for (const { plan } of sagas) {
      const id = `${plan.name}@${plan.version}`
      const other = fileOf.get(id)
      if (other !== undefined)
        throw new UsageError(`${id} is in ${other} and in ${file}`, 'give one of them another version')
      fileOf.set(id, file)
    }
    return sagas
  })
}

function definitionsIn(file: string, allow: string[] | undefined): Definition[] {
  try {
    return loadDefinitions(file, allow ? { allow } : {})
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof BackstepError || code === undefined) throw error
    throw new UsageError(`${file} cannot be read: ${code}`, 'name a definition file, in YAML or JSON')
  }
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

const warn = (text: string): void =>
  void process.stderr.write(`${paintFor(process.stderr).yellow('warning')}: ${text}\n`)

function readTokens(file: string): string {
  try {
    const { mode } = statSync(file)
    if ((mode & 0o004) !== 0) warn(`${file} can be read by every user: chmod o= it`)
    const text = readFileSync(file, 'utf8')
    if (text.trim() !== '') return text
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw new UsageError(`${file} cannot be read: ${code}`, 'name a file that this user may read')
  }
  throw new UsageError(`${file} is empty`, howToWrite)
}
