/**
 * A request of a remote step, made ready: its templates parsed, its address judged as far as it is known.
 *
 * Invariants
 * - Scheme, host and port never come from a value: they are written out, so that the allow-list can be asked before anything runs.
 * - A value cannot leave its place in the address: it is percent-encoded, and neither empty nor a dot segment within the path.
 */
import type { Json } from '../core/entry.js'
import { storable } from '../core/json.js'
import type { CallContext } from '../definition/context.js'
import { checkFields, Flaw, type Path, plain } from './flaw.js'
import type { Setting } from './setting.js'
import {
  type Body,
  compileBody,
  type Encode,
  type Names,
  type Root,
  Template,
  Unrenderable,
} from './template.js'
import { type Call, isReserved } from './wire.js'

type Context = CallContext<unknown, unknown>
type UserFunction = (context: Context) => unknown

/** A template, or a function of the user's. */
export interface Text {
  readonly template?: Template
  readonly render: (call: Call, context: Context) => string | undefined
}

export interface Compiled {
  readonly method: string
  readonly url: Text
  readonly headers: readonly (readonly [name: string, value: Text])[]
  /** Undefined: no body. */
  readonly body: ((call: Call, context: Context) => Json | undefined) | undefined
  /** Puts all of its templates together, and throws Unrenderable where one cannot be; functions of the user's are not asked. */
  readonly rehearse: (call: Call) => string | undefined
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

export function compileRequest(
  given: unknown,
  fields: readonly string[],
  roots: readonly Root[],
  defaultMethod: string,
  setting: Setting,
  path: Path,
): Compiled {
  const names = { roots, steps: setting.earlier }
  const { method = defaultMethod, url, headers = {}, body } = checkFields(given, fields, path)
  if (!methods.includes(method as string)) {
    throw new Flaw([...path, 'method'], `'${String(method)}' is no method`, `known are ${methods.join(', ')}`)
  }
  const made = {
    method: method as string,
    url: compileUrl(url, names, setting, [...path, 'url']),
    headers: compileHeaders(headers, names, setting, [...path, 'headers']),
    body: bodyOf(body, method as string, path.at(-1) === 'commit', names, [...path, 'body']),
  }
  const templates = [made.url, ...made.headers.map(([, value]) => value)].filter(({ template }) => template)
  const isUsers = typeof body === 'function'
  const rehearse = (call: Call): string | undefined => {
    const [address] = templates.map(({ render }) => render(call, undefined as never))
    if (!isUsers) made.body?.(call, undefined as never)
    return made.url.template ? address : undefined
  }
  return { ...made, rehearse }
}

/** `https://host:port`, and what follows it. */
const authority = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)(?=[/?#]|$)/i

function compileUrl(given: unknown, names: Names, setting: Setting, path: Path): Text {
  if (typeof given === 'function')
    return { render: (_, context) => textOf((given as UserFunction)(context), 'url') }
  if (typeof given !== 'string') {
    throw new Flaw(
      path,
      given === undefined ? 'is missing' : 'is no text',
      "write it like 'https://flights.example/bookings'",
    )
  }
  const template = Template.parse(given, names, path)
  const { beginning } = template
  const whole = authority.exec(beginning)
  if (!whole || (whole[0] === beginning && !template.isLiteral) || !URL.canParse(whole[0])) {
    const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(given)
    throw new Flaw(
      path,
      scheme ? 'its host and port are not written out' : 'is no address',
      "write scheme, host and port as they are, such as 'https://flights.example/bookings/{input.id}': the allow-list judges them before anything runs",
    )
  }
  const refusal = setting.checksOrigin ? setting.allow.refusal(new URL(whole[0])) : undefined
  if (refusal !== undefined) {
    throw new Flaw(path, refusal, `if this is meant, name the origin: allow: ['${new URL(whole[0]).origin}']`)
  }
  if (template.isLiteral)
    refuseDots(beginning, (message) => new Flaw(path, message, 'write the path that is meant'))
  return { template, render: (call) => renderUrl(template, call) }
}

const inAddress: Encode = (text, placeholder, before) => {
  const isInPath = !before.includes('?')
  if (isInPath && text === '')
    throw new Unrenderable(`{${placeholder}} is empty: the path would be another one`)
  // Encoded or not: proxies decode a path before they resolve it.
  if (isInPath && /[/\\]/.test(text) && text.split(/[/\\]/).some((part) => part === '.' || part === '..'))
    throw new Unrenderable(`{${placeholder}} has a dot segment: the path would be another one`)
  return encodeURIComponent(text)
}

function renderUrl(template: Template, call: Call): string {
  const text = template.render(call, inAddress)
  refuseDots(text, (message) => new Unrenderable(message))
  return text
}

/** `/flights/../admin` is another path to whoever reads it; so are its encoded forms. */
function refuseDots(text: string, problem: (message: string) => Error): void {
  const path = text.replace(/[?#].*$/s, '').replace(/^[^/]*\/\/[^/]*/, '')
  if (path.split(/[/\\]/).some((part) => /^(\.|%2e){1,2}$/i.test(part)))
    throw problem(`the path ${path.slice(0, 100)} has a dot segment`)
}

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/

function compileHeaders(
  given: unknown,
  names: Names,
  { readsEnvironment }: Setting,
  path: Path,
): Compiled['headers'] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Flaw(path, 'is no object', "write { authorization: 'Bearer …' }")
  const known: Names = readsEnvironment ? { ...names, roots: [...names.roots, 'env'] } : names
  const seen = new Set<string>()
  return Object.entries(given).map(([name, value]) => {
    const at = [...path, name]
    if (!headerName.test(name)) throw new Flaw(at, 'is no name of a header', 'write letters, digits and -')
    if (seen.has(name.toLowerCase())) throw new Flaw(at, 'is there twice', 'names of headers have no case')
    seen.add(name.toLowerCase())
    if (isReserved(name)) throw new Flaw(at, 'is set by Backstep', 'leave it out')
    if (typeof value === 'function')
      return [
        name.toLowerCase(),
        { render: (_, context) => headerText((value as UserFunction)(context), name) },
      ] as const
    if (typeof value !== 'string')
      throw new Flaw(at, 'is no text', 'write a text, which may have placeholders')
    const template = Template.parse(value, known, at)
    if (template.isLiteral && !isHeaderText(template.beginning))
      throw new Flaw(
        at,
        'has characters that a header cannot have',
        'write letters, digits and signs of ASCII',
      )
    return [
      name.toLowerCase(),
      { template, render: (call) => headerText(template.value(call), name) },
    ] as const
  })
}

/** A line feed in a value would begin a header of its own. */
function headerText(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined
  const text = textOf(typeof value === 'object' ? value : String(value), `header ${name}`)
  if (!isHeaderText(text))
    throw new Unrenderable(`the header ${name} has characters that a header cannot have`)
  return text
}

const isHeaderText = (text: string): boolean => !/[^\t\x20-\x7e\x80-\xff]/.test(text)

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw new Unrenderable(`${what} is no text`)
}

function bodyOf(
  given: unknown,
  method: string,
  isCommit: boolean,
  names: Names,
  path: Path,
): Compiled['body'] {
  if (typeof given === 'function') {
    return (_, context) => {
      const stored = storable((given as UserFunction)(context), 'body')
      if (!stored.ok) throw new Unrenderable(`${stored.path} ${stored.reason}`)
      return stored.value
    }
  }
  if (given === undefined) {
    return isCommit && method !== 'GET' && method !== 'DELETE' ? ({ input }) => input : undefined
  }
  if (method === 'GET')
    throw new Flaw(path, 'a GET has no body', "write method: 'POST', or put the values into the url")
  const body: Body = compileBody(plain(given, path), names, path)
  return (call) => body(call)
}
