/**
 * Where remote steps may go.
 *
 * Invariants
 * - Only http and https, and never with a name or password in the address.
 * - With an allow-list: only to the origins on it. Without: to any address out in the world.
 * - The own network (loopback, private ranges) only where the list names the origin; link-local, metadata and reserved addresses only
 *   where the list names the very address, since a name can be made to point there by whoever owns its DNS.
 * - A name is resolved once for each request, every address that it has is judged, and the connection goes to one of those: what a
 *   second look would say is never asked.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { kindOf } from './addresses.js'
import { Flaw, type Path } from './flaw.js'

/** An origin whose port may be any. */
interface Origin {
  readonly protocol: string
  readonly hostname: string
  readonly port: string
}

/** A step that may not go where it wants to. Nothing was sent. */
export class Forbidden extends Error {
  override readonly name = 'Forbidden'
  readonly code = 'FORBIDDEN_ADDRESS'
}

const portOf = ({ protocol, port }: URL): string => port || (protocol === 'https:' ? '443' : '80')

/** `[::1]` without its brackets. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')

export class AllowList {
  readonly #origins: readonly Origin[] | undefined

  private constructor(origins: readonly Origin[] | undefined) {
    this.#origins = origins
  }

  /** No list: any address out in the world. */
  static readonly none = new AllowList(undefined)

  /** Of origins such as `https://flights.example`, `http://127.0.0.1:*`. Throws Flaw. */
  static parse(list: unknown, path: Path): AllowList {
    if (list === undefined) return AllowList.none
    if (!Array.isArray(list)) throw new Flaw(path, 'is no list', "write allow: ['https://flights.example']")
    return new AllowList(list.map((entry, index) => parseOrigin(entry, [...path, index])))
  }

  /** Why the step may not go there; undefined if it may, as far as can be said without resolving the name. */
  refusal(url: URL): string | undefined {
    const scheme = url.protocol.slice(0, -1)
    if (scheme !== 'http' && scheme !== 'https') return `the scheme ${scheme} is not http or https`
    if (url.username !== '' || url.password !== '') return 'a name or password in the address'
    const isNamed = this.#names(url)
    if (this.#origins && !isNamed) return `${url.origin} is not on the allow-list`
    const host = bare(url.hostname)
    return isIP(host) ? this.addressRefusal(url, host) : undefined
  }

  /** Why the step may not connect to this address of the url's host. */
  addressRefusal(url: URL, address: string): string | undefined {
    const kind = kindOf(address)
    if (kind === 'public') return undefined
    const isNamed = this.#names(url)
    if (isNamed && (kind === 'private' || bare(url.hostname) === address)) return undefined
    const where = bare(url.hostname) === address ? address : `${url.hostname} is at ${address}, which`
    return kind === 'private'
      ? `${where} is in a private range, and the allow-list does not name ${url.origin}`
      : `${where} is link-local, reserved or a metadata service`
  }

  #names(url: URL): boolean {
    const port = portOf(url)
    return (
      this.#origins?.some(
        (one) =>
          one.protocol === url.protocol &&
          one.hostname === url.hostname &&
          (one.port === '*' || one.port === port),
      ) ?? false
    )
  }
}

function parseOrigin(entry: unknown, path: Path): Origin {
  const hint = "write an origin such as 'https://flights.example' or 'http://127.0.0.1:*'"
  if (typeof entry !== 'string') throw new Flaw(path, 'is no text', hint)
  const anyPort = entry.endsWith(':*')
  const text = anyPort ? entry.slice(0, -2) : entry
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.origin !== url.href.replace(/\/$/, '') ||
    url.hostname.includes('*') ||
    (anyPort && /(:\d*|\/)$/.test(text))
  ) {
    throw new Flaw(path, `'${entry.slice(0, 80)}' is no origin`, hint)
  }
  return { protocol: url.protocol, hostname: url.hostname, port: anyPort ? '*' : portOf(url) }
}

export interface Address {
  readonly address: string
  readonly family: number
}

/** Finds the addresses of a name; a test brings its own. */
export type Resolver = (hostname: string) => Promise<readonly Address[]>

export const systemResolver: Resolver = (hostname) => lookup(hostname, { all: true, verbatim: true })

/** The addresses to connect to. Throws Forbidden; errors of the resolver as they are. */
export async function judgedAddresses(
  url: URL,
  allow: AllowList,
  resolve: Resolver,
): Promise<readonly Address[]> {
  const refusal = allow.refusal(url)
  if (refusal !== undefined) throw new Forbidden(refusal)
  const host = bare(url.hostname)
  const version = isIP(host)
  if (version !== 0) return [{ address: host, family: version }]
  const addresses = await resolve(url.hostname)
  for (const { address } of addresses) {
    const why = allow.addressRefusal(url, address)
    if (why !== undefined) throw new Forbidden(why)
  }
  return addresses
}
