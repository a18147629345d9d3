/** All cases, in the order in which they run. */
import type { Case } from '../case.js'
import { sqliteBacklog } from './backlog.js'
import { disk, eventLoop, idle } from './footprint.js'
import { httpBare, httpRun, httpSubmit } from './http.js'
import {
  dbosMany,
  dbosOne,
  postgresFailover,
  postgresFleet,
  postgresMany,
  postgresManyRolledBack,
  postgresOne,
} from './postgres.js'
import { sqliteRecovery } from './recovery.js'
import { sqliteSerialBacklog } from './serial-backlog.js'
import {
  memoryMany,
  processor,
  sqliteMany,
  sqliteManyRolledBack,
  sqliteOne,
  sqliteOneInline,
} from './throughput.js'

export const cases: Readonly<Record<string, Case>> = {
  'sqlite-1': sqliteOne,
  'sqlite-1-inline': sqliteOneInline,
  'sqlite-256': sqliteMany,
  'sqlite-256-rollback': sqliteManyRolledBack,
  'sqlite-serial-backlog': sqliteSerialBacklog,
  'memory-256': memoryMany,
  'sqlite-recovery': sqliteRecovery,
  'sqlite-backlog': sqliteBacklog,
  'http-run': httpRun,
  'http-submit': httpSubmit,
  'http-bare': httpBare,
  'sqlite-event-loop': eventLoop,
  processor,
  disk,
  idle,
  'postgres-1': postgresOne,
  'postgres-256': postgresMany,
  'postgres-256-rollback': postgresManyRolledBack,
  'postgres-4x64': postgresFleet,
  'postgres-failover': postgresFailover,
  'dbos-1': dbosOne,
  'dbos-256': dbosMany,
}
