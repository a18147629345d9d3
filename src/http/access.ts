/**
 * Who may call: tokens with roles, the page's session, and from where a request may come.
 *
 * Invariants
 * - A token is compared in constant time, with all that there are; it is never shown, logged, or taken from an address.
 * - A session is a cookie signed with the token that opened it: it needs no memory, survives a restart, and dies with the token.
 * - A page of another origin can neither act nor listen; a name that is not ours gets no answer (DNS rebinding).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { systemClock } from '../runtime/clock.js'
import type { AppOptions, Role, Token } from './options.js'
import { Problem } from './problem.js'

export interface Caller {
  readonly name: string
  readonly role: Role
  /** Known by a token, so that a body may not say who it is. */
  readonly known: boolean
}

interface Kept {
  readonly name: string
  readonly role: Role
  readonly hash: Buffer
}

const cookieName = 'backstep_session'
/** A day at work. */
const sessionLength = 12 * 3_600_000

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

const anybody: Caller = { name: 'local', role: 'operate', known: false }

export class Access {
  readonly #tokens: readonly Kept[]
  readonly #hosts: ReadonlySet<string> | undefined
  readonly #origins: ReadonlySet<string>
  readonly #readOnly: boolean

  constructor({ tokens = [], hosts, origins = [], readOnly = false }: AppOptions) {
    this.#tokens = tokens.map(({ token, name, role }: Token) => ({ name, role, hash: sha256(token) }))
    this.#hosts = hosts && new Set(hosts.map((host) => host.toLowerCase()))
    this.#origins = new Set(origins)
    this.#readOnly = readOnly
  }

  get needsToken(): boolean {
    return this.#tokens.length > 0
  }

  get readOnly(): boolean {
    return this.#readOnly
  }

  /** Throws Problem (421) where the request is addressed to a name that is not ours. */
  checkHost(request: Request): void {
    if (!this.#hosts) return
    const host = nameIn(request.headers.get('Host') ?? '')
    // Rebinding needs a name: an address cannot be pointed elsewhere.
    if (host === 'localhost' || isIP(host) !== 0 || this.#hosts.has(host)) return
    throw new Problem(421, 'this server does not answer to the name in Host', {
      code: 'UNKNOWN_HOST',
      hint: 'start it with --allow-host NAME, or the option hosts',
    })
  }

  /** Throws Problem (403) where a page of another origin acts or listens. */
  checkOrigin(request: Request): void {
    const origin = request.headers.get('Origin')
    const site = request.headers.get('Sec-Fetch-Site')
    const own =
      origin === null ? site !== 'cross-site' && site !== 'same-site' : this.#isOurs(origin, request)
    if (own) return
    throw new Problem(403, 'a page of another origin may not do this', {
      code: 'FOREIGN_ORIGIN',
      hint: 'name the origin in the option origins, if it is yours',
    })
  }

  #isOurs(origin: string, request: Request): boolean {
    if (this.#origins.has(origin)) return true
    if (!URL.canParse(origin)) return false
    return new URL(origin).host === request.headers.get('Host')?.toLowerCase()
  }

  /** Throws Problem: 401 if it does not say who calls, 403 if that one may not. */
  callerOf(request: Request, need: Role): Caller {
    const caller = this.whoIs(request)
    if (!caller) throw unauthenticated('a token is needed')
    if (need === 'operate' && this.#readOnly) {
      throw new Problem(403, 'this server only shows', {
        code: 'READ_ONLY',
        hint: 'use one without --read-only',
      })
    }
    if (need === 'operate' && caller.role !== 'operate') {
      throw new Problem(403, `${caller.name} may only look`, {
        code: 'FORBIDDEN',
        hint: 'use a token of the role operate',
      })
    }
    return caller
  }

  whoIs(request: Request): Caller | undefined {
    if (!this.needsToken) return anybody
    const header = request.headers.get('Authorization')
    if (header !== null) {
      const token = /^Bearer +(\S+)$/i.exec(header)?.[1]
      return token === undefined ? undefined : this.whoHas(token)
    }
    return this.#whoIsIn(cookieIn(request.headers.get('Cookie') ?? ''))
  }

  /** Looks at all of them, so that the time says nothing. */
  whoHas(token: string): Caller | undefined {
    return callerOf(this.#find(token))
  }

  #find(token: string): Kept | undefined {
    const hash = sha256(token)
    let found: Kept | undefined
    for (const kept of this.#tokens) if (timingSafeEqual(kept.hash, hash)) found = kept
    return found
  }

  /** The value of Set-Cookie for the one who has this token. */
  cookieFor(token: string, path: string, secure: boolean): string | undefined {
    const kept = this.#find(token)
    if (!kept) return undefined
    const ends = systemClock.now() + sessionLength
    const value = `${ends}.${signature(kept, ends).toString('base64url')}`
    return cookie(value, path, secure, sessionLength / 1_000)
  }

  #whoIsIn(value: string | undefined): Caller | undefined {
    const [, ends = '', mac = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(value ?? '') ?? []
    if (!(Number(ends) > systemClock.now())) return undefined
    const given = Buffer.from(mac, 'base64url')
    let found: Kept | undefined
    for (const kept of this.#tokens) if (timingSafeEqual(signature(kept, Number(ends)), given)) found = kept
    return callerOf(found)
  }
}

const callerOf = (kept: Kept | undefined): Caller | undefined =>
  kept && { name: kept.name, role: kept.role, known: true }

const signature = ({ hash, name, role }: Kept, ends: number): Buffer =>
  createHmac('sha256', hash).update(`session ${ends} ${role} ${name}`).digest()

export const unauthenticated = (detail: string): Problem =>
  new Problem(401, detail, {
    code: 'UNAUTHENTICATED',
    hint: 'send Authorization: Bearer TOKEN',
    headers: { 'WWW-Authenticate': 'Bearer realm="backstep"' },
  })

const cookie = (value: string, path: string, secure: boolean, maxAge: number): string =>
  `${cookieName}=${value}; Path=${path || '/'}; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`

/** Ends the session in the browser. */
export const noCookie = (path: string, secure: boolean): string => cookie('', path, secure, 0)

function cookieIn(header: string): string | undefined {
  for (const part of header.split(';')) {
    const [name, value] = part.trim().split('=')
    if (name === cookieName) return value
  }
  return undefined
}

/** `[::1]:7700` → `::1`, `Example.com:80` → `example.com`. */
function nameIn(host: string): string {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '')
  return name.toLowerCase().replace(/\.$/, '')
}
