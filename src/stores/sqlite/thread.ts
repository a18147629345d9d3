/**
 * The thread that owns the database of a `sqlite:` store.
 *
 * Invariant
 * - Requests are answered in the order in which they were sent, one answer each: so none needs a number.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { pack } from './answers.js'
import { loadDriver } from './connection.js'
import { Database } from './database.js'
import { toStoreError } from './failures.js'
import { type Answer, handle, type Replies, type Request, toFailure } from './protocol.js'

const path = String(workerData)

function failed(error: unknown): Answer {
  return { failure: toFailure(toStoreError(path, error)) }
}

async function makeAnswerer(): Promise<(request: Request) => Answer> {
  try {
    const database = new Database(await loadDriver(), path, Date.now)
    return (request) => {
      try {
        const reply = handle(database, request)
        return request.type === 'apply' ? { packed: pack(reply as Replies['apply']) } : { reply }
      } catch (error) {
        return failed(error)
      }
    }
  } catch (error) {
    return (request) => (request.type === 'close' ? { reply: undefined } : failed(error))
  }
}

const answer = await makeAnswerer()
parentPort?.on('message', (request: Request) => parentPort?.postMessage(answer(request)))
