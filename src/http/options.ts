/**
 * What an app and a server can be told, checked before anything listens.
 */
import { isIP } from 'node:net'
import { BadInputError, type Duration, type Logger } from '../index.js'
import { Flaw, pathText } from '../remote/flaw.js'
import { AllowList } from '../remote/policy.js'
import { checkNames } from '../runtime/options.js'
import type { Metrics } from './metrics.js'

/** `read` looks; `operate` also submits and steps in. */
export type Role = 'read' | 'operate'

export interface Token {
  /** At least 16 characters, by chance: `openssl rand -hex 32`. */
  readonly token: string
  readonly role: Role
  /** Who it is, for the journal. */
  readonly name: string
}

export interface AppOptions {
  /** What all of its paths begin with, such as `/backstep`; the app itself is mounted at the root. Default: nothing. */
  readonly basePath?: string
  /** Who may call. Without any, everybody who reaches the server may do everything: mount it behind your own login, or on loopback. */
  readonly tokens?: readonly Token[]
  /** Nobody submits or steps in here. */
  readonly readOnly?: boolean
  /** Names that requests may be addressed to (Host), beside IP addresses and localhost. Default: any; `serve` sets it. */
  readonly hosts?: readonly string[]
  /** Origins that pages may call from, beside this server's own. */
  readonly origins?: readonly string[]
  /** Paths that are never shown: `input.card`, `outputs.payment.token`, `input.guests.*.passport`. */
  readonly redact?: readonly string[]
  /** Origins that the steps of a submit may go to: `['https://flights.example']`. Default: none, and such submits are refused. */
  readonly allow?: readonly string[]
  /** Role read sees inputs and outputs, too. Default false. */
  readonly showPayloads?: boolean
  /** The largest body of a request, bytes. Default 1 MB. */
  readonly maxBody?: number
  /** Live streams at once; more are told to come later. Default 1,000. */
  readonly maxStreams?: number
  /** Serve the operators' page at the root. Default true. */
  readonly page?: boolean
  /** For actions by operators and for failures. Default: none. */
  readonly log?: Logger
  /** What /metrics shows. Default: `sagaMetrics(orchestrator)`. */
  readonly metrics?: Metrics
}

export interface ServeOptions extends AppOptions {
  /** Default 7700; 0: any that is free. */
  readonly port?: number
  /** Default 127.0.0.1. Any address off loopback needs tokens. */
  readonly host?: string
  /** Connections at once. Default 2,000. */
  readonly maxConnections?: number
  /** How long a request may take to arrive. Default 30 s; its headers a third of that. */
  readonly requestTimeout?: Duration
}

const appNames = [
  'basePath',
  'tokens',
  'readOnly',
  'hosts',
  'origins',
  'redact',
  'showPayloads',
  'allow',
  'maxBody',
  'maxStreams',
  'page',
  'log',
  'metrics',
] as const
const serveNames = [...appNames, 'port', 'host', 'maxConnections', 'requestTimeout'] as const

const minToken = 16

const bad = (message: string, hint: string): BadInputError => new BadInputError(message, hint)

/** Throws BadInputError, naming the option; never the value of a token. */
export function checkAppOptions(options: AppOptions, where: 'sagaApp' | 'serve'): void {
  checkNames(options, where === 'serve' ? serveNames : appNames, where)
  const { basePath = '', tokens = [], redact = [] } = options
  if (basePath !== '' && !/^(\/[\w.~-]+)+$/.test(basePath)) {
    throw bad(`${where}: basePath ${JSON.stringify(basePath)} is no path`, 'write it as /backstep')
  }
  checkTokens(tokens, where)
  checkFlags(options, where)
  checkNumbers(options, ['maxBody', 'maxStreams'], where)
  checkPlaces(options, where)
  for (const path of texts(redact, 'redact', where)) {
    if (/^(input|outputs)(\.[^.]+)*$/.test(path)) continue
    throw bad(
      `${where}: redact ${JSON.stringify(path)} is no path`,
      'begin it with input or outputs: input.card',
    )
  }
}

/** A limit that is no number would be none. */
export function checkNumbers(options: ServeOptions, names: readonly (keyof ServeOptions)[], where: string) {
  for (const name of names) {
    const value = options[name]
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 1)) continue
    throw bad(`${where}: ${name} is ${String(value)}`, 'use a whole number from 1')
  }
}

function checkFlags(options: AppOptions, where: string): void {
  for (const name of ['readOnly', 'showPayloads', 'page'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean')
      throw bad(`${where}: ${name} is ${String(value)}`, 'use true or false')
  }
}

/** What is written otherwise than requests write it would never be met. */
function checkPlaces({ hosts, origins, allow }: AppOptions, where: string): void {
  for (const host of texts(hosts, 'hosts', where)) {
    if (host !== '' && !/[/:\s]/.test(isIP(host) === 6 ? '' : host)) continue
    throw bad(
      `${where}: hosts: ${JSON.stringify(host)} is no name`,
      'write it without scheme and port: ops.example',
    )
  }
  for (const origin of texts(origins, 'origins', where)) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue
    throw bad(
      `${where}: origins: ${JSON.stringify(origin)} is no origin`,
      'write it as browsers do: https://ops.example, with the port if it is another one',
    )
  }
  try {
    AllowList.parse(allow, ['allow'])
  } catch (error) {
    if (!(error instanceof Flaw)) throw error
    throw bad(`${where}: ${pathText(error.path)}: ${error.message}`, error.hint)
  }
}

function texts(list: unknown, name: string, where: string): readonly string[] {
  if (list === undefined) return []
  if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list
  throw bad(`${where}: ${name} is no list of texts`, `write ${name}: ['…']`)
}

export function checkTokens(tokens: readonly Token[], where: string): void {
  if (!Array.isArray(tokens)) throw bad(`${where}: tokens is no array`, 'pass [{ token, role, name }]')
  tokens.forEach((given: unknown, index) => {
    const at = `${where}: tokens[${index}]`
    const { token, role, name } = (given ?? {}) as Partial<Token>
    if (typeof token !== 'string' || token.length < minToken || !/^[\x21-\x7e]+$/.test(token)) {
      throw bad(
        `${at} has a token of less than ${minToken} printable characters`,
        'make one with openssl rand -hex 32',
      )
    }
    if (role !== 'read' && role !== 'operate') throw bad(`${at} has no role`, "use 'read' or 'operate'")
    if (typeof name !== 'string' || !/^[^\p{Cc}]{1,100}$/u.test(name)) {
      throw bad(`${at} has no name`, 'say who it is, for the journal: a text of 1 to 100 characters')
    }
  })
  if (new Set(tokens.map(({ token }) => token)).size < tokens.length) {
    throw bad(`${where}: two tokens are the same`, 'give each its own: the journal keeps who did what')
  }
}
