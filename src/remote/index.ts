/**
 * Remote steps: commits and rollbacks that are HTTP requests, written in TypeScript, in a definition file, or sent with a submit.
 */
export type { CommitWord, Outcomes, RollbackWord } from './outcome.js'
export {
  type Method,
  type RemoteCommit,
  type RemoteOptions,
  type RemoteRequest,
  type RemoteRollback,
  remote,
} from './step.js'
