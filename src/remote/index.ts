/**
 * Remote steps: commits and rollbacks that are HTTP requests, written in TypeScript, in a definition file, or sent with a submit.
 */
export { type DefinitionOptions, loadDefinitions, parseDefinitions } from './file.js'
export { type InlineOptions, type InlineSubmission, inlineOf, inlineSaga } from './inline.js'
export type { CommitWord, Outcomes, RollbackWord } from './outcome.js'
export { definitionSchema } from './schema.js'
export {
  type Method,
  type RemoteCommit,
  type RemoteOptions,
  type RemoteRequest,
  type RemoteRollback,
  remote,
} from './step.js'
