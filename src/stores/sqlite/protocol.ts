/**
 * What can be asked of a database, whether it runs in a thread or inline: one table for both.
 */
import { StoreError } from '../../core/errors.js'
import type { DefinitionRef, Health, ListFilter, Obstacle, SagaRow } from '../../store/store.js'
import type { Packed, WireResult } from './answers.js'
import type { Database } from './database.js'
import type { Found } from './reading.js'
import type { Cells } from './wire.js'

export type Request =
  | { readonly type: 'open'; readonly create: boolean }
  | { readonly type: 'apply'; readonly cells: Cells }
  | { readonly type: 'find'; readonly ref: { readonly n: number } | { readonly id: string } }
  | { readonly type: 'rows'; readonly numbers: readonly number[] }
  | { readonly type: 'list'; readonly filter: ListFilter }
  | { readonly type: 'owned'; readonly worker: string }
  | { readonly type: 'obstacles'; readonly n: number; readonly limit: number }
  | { readonly type: 'definitions'; readonly name: string }
  | { readonly type: 'health'; readonly thorough: boolean }
  | { readonly type: 'close' }

/** What each request is answered with. */
export interface Replies {
  readonly open: undefined
  readonly apply: readonly WireResult[]
  readonly find: Found
  readonly rows: readonly SagaRow[]
  readonly list: readonly SagaRow[]
  readonly owned: readonly { readonly n: number; readonly token: number }[]
  readonly obstacles: readonly Obstacle[]
  readonly definitions: readonly DefinitionRef[]
  readonly health: Health
  readonly close: undefined
}

export type ReplyTo<R extends Request> = Replies[R['type']]

/** What crosses back from the thread. */
export type Answer =
  | { readonly reply: Replies[keyof Replies] }
  | { readonly packed: Packed }
  | { readonly failure: Failure }

export interface Failure {
  readonly message: string
  readonly code: StoreErrorCode
  readonly hint: string
  readonly cause: string | undefined
}

type StoreErrorCode = ConstructorParameters<typeof StoreError>[1]['code']

export function handle(database: Database, request: Request): Replies[keyof Replies] {
  switch (request.type) {
    case 'open':
      database.open(request.create)
      return undefined
    case 'apply':
      return database.apply(request.cells)
    case 'find':
      return database.find(request.ref)
    case 'rows':
      return database.rows(request.numbers)
    case 'list':
      return database.list(request.filter)
    case 'owned':
      return database.owned(request.worker)
    case 'obstacles':
      return database.obstacles(request.n, request.limit)
    case 'definitions':
      return database.definitions(request.name)
    case 'health':
      return database.health(request.thorough)
    case 'close':
      database.close()
      return undefined
  }
}

/** A StoreError does not survive a structured clone: its parts do. */
export function toFailure(error: StoreError): Failure {
  const hint = error.hint ?? ''
  const { cause } = error
  return {
    message: error.message.replace(`\n  hint: ${hint}`, ''),
    code: error.code as StoreErrorCode,
    hint,
    cause: cause === undefined ? undefined : cause instanceof Error ? cause.message : String(cause),
  }
}

export function fromFailure({ message, code, hint, cause }: Failure): StoreError {
  return new StoreError(message, { code, hint, ...(cause === undefined ? {} : { cause: new Error(cause) }) })
}
