/**
 * The page's login: a token, sent once in a body, becomes a cookie that scripts cannot read.
 */
import { type Access, noCookie, unauthenticated } from './access.js'
import { json } from './answer.js'
import { type BodyLimits, membersOf, textOf } from './body.js'
import type { Call, Handler } from './call.js'

export interface Sessions {
  readonly access: Access
  readonly basePath: string
  readonly showPayloads: boolean
}

/** Room for a token, as long as a header may be; whoever sends it is not known yet, and there may be thousands of them. */
const limits: BodyLimits = { maxBody: 16_384 }

/** Behind a proxy that speaks TLS the request itself does not. */
const isSecure = ({ request }: Call): boolean =>
  request.url.startsWith('https:') || request.headers.get('X-Forwarded-Proto') === 'https'

/** What the page must know to show only what it may do. */
function about({ access, showPayloads }: Sessions, name: string, role: 'read' | 'operate'): object {
  return {
    name,
    role,
    needsToken: access.needsToken,
    readOnly: access.readOnly,
    payloads: role === 'operate' || showPayloads,
  }
}

export const getSession =
  (sessions: Sessions): Handler =>
  ({ caller: { name, role } }) =>
    json(about(sessions, name, role))

export const openSession =
  (sessions: Sessions): Handler =>
  async (call) => {
    const { access, basePath } = sessions
    const token = textOf(await membersOf(call.request, ['token'], limits), 'token')
    const caller = access.whoHas(token)
    const cookie = access.cookieFor(token, basePath, isSecure(call))
    if (!caller || cookie === undefined) throw unauthenticated('there is no such token')
    return json(about(sessions, caller.name, caller.role), 200, { 'Set-Cookie': cookie })
  }

export const closeSession =
  ({ basePath }: Sessions): Handler =>
  (call) =>
    json({}, 200, { 'Set-Cookie': noCookie(basePath, isSecure(call)) })
