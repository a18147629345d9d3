/**
 * The Response that the node server writes in one piece. The platform's makes a stream of every body, which costs more than all else
 * that an answer takes.
 *
 * Invariant: the globals are what they were: the server's package would replace them, and they belong to the user's program.
 */
import { getRequestListener } from '@hono/node-server'

function lightResponse(): typeof Response {
  const response = Object.getOwnPropertyDescriptor(globalThis, 'Response')
  const request = Object.getOwnPropertyDescriptor(globalThis, 'Request')
  getRequestListener(() => new Response())
  const light = globalThis.Response
  if (response) Object.defineProperty(globalThis, 'Response', response)
  if (request) Object.defineProperty(globalThis, 'Request', request)
  return light
}

/** A Response in all that it does, and an instance of one. */
export const LightResponse: typeof Response = lightResponse()
