/**
 * How a remote step is made and called, depending on who wrote it: a program, the operator's file, or whoever submits over HTTP.
 */
import type { Json } from '../core/entry.js'
import type { CallContext, RollbackContext } from '../definition/context.js'
import { AllowList, type Resolver, systemResolver } from './policy.js'
import type { Call } from './wire.js'

export interface Setting {
  readonly allow: AllowList
  /** Whether the allow-list is asked when the step is made. It is asked at each call in any case. */
  readonly checksOrigin: boolean
  /** Whether headers may name the environment of this process: only for whoever could read it anyway. */
  readonly readsEnvironment: boolean
  /** What `{input}` names, of what the saga was submitted with. */
  readonly inputOf: (input: Json | undefined) => Json | undefined
  readonly resolve: Resolver
  /** Whose outputs a step may name, where that is known. */
  readonly earlier?: ReadonlySet<string> | undefined
}

export const defaultSetting: Setting = {
  allow: AllowList.none,
  checksOrigin: true,
  readsEnvironment: false,
  inputOf: (input) => input,
  resolve: systemResolver,
}

/** The call as templates see it. */
export function callOf(context: CallContext<unknown, unknown>, { inputOf, readsEnvironment }: Setting): Call {
  const { idempotencyKey, sagaId, step, attempt, token, deadline } = context
  const { commitKey = idempotencyKey, output } = context as Partial<RollbackContext<unknown, unknown, Json>>
  return {
    input: inputOf(context.input as Json | undefined),
    // Put together only where it is looked at: see runtime/context.ts.
    get outputs() {
      return context.outputs as Record<string, Json>
    },
    ...{ output, idempotencyKey, commitKey, sagaId, step, attempt, token, deadline, trace: context.trace },
    ...(readsEnvironment ? { env: process.env } : {}),
  }
}
