/**
 * `backstep/http`: sagas over HTTP, and the page that shows them.
 */

export {
  type CommitWord,
  type DefinitionOptions,
  definitionSchema,
  loadDefinitions,
  type Method,
  type Outcomes,
  parseDefinitions,
  type RemoteCommit,
  type RemoteOptions,
  type RemoteRequest,
  type RemoteRollback,
  type RollbackWord,
  remote,
} from '../remote/index.js'
export { sagaApp } from './app.js'
export { withoutPayloads } from './log.js'
export { type Metrics, sagaMetrics } from './metrics.js'
export { openApi } from './openapi.js'
export type { AppOptions, Role, ServeOptions, Token } from './options.js'
export type { ProblemDetails } from './problem.js'
export { checkServeOptions, type SagaServer, serve } from './serve.js'
export type { StatsBucket } from './stats.js'
export { type InstrumentOptions, instrument } from './traces.js'
