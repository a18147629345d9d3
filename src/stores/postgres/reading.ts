/**
 * What the PostgreSQL store shows. Nothing here writes.
 *
 * Invariants
 * - Each answer is one statement, so it is of one moment; but a list by name asks first which definitions have it.
 * - Sagas are found by an index also among many millions that have ended.
 */
import type {
  DefinitionRef,
  Health,
  ListFilter,
  Obstacle,
  SagaRow,
  StoredSaga,
  Tombstone,
} from '../../store/store.js'
import { noCounts, stages } from '../../store/stored.js'
import type { Definitions } from './definitions.js'
import { asText } from './driver.js'
import { inconsistencies } from './inspection.js'
import { listing } from './listing.js'
import { migrations, quoted } from './migrations.js'
import type { Source } from './readers.js'
import { rowOf, storedOf, tombstoneOf, type WireSaga, type WireTombstone } from './rows.js'
import { numbers, stored, unstored } from './text.js'

export class Reading {
  readonly #link: () => Source
  readonly #definitions: Definitions
  readonly #name: string
  readonly #saga: string

  constructor(link: () => Source, schema: string, definitions: Definitions) {
    const name = quoted(schema)
    this.#link = link
    this.#definitions = definitions
    this.#name = name
    this.#saga = `s.n, s.id, s.d, s.status, s.stage, s.stuck, s.late, s.token, s.submitted_at, s.ended_at, s.due, CHUNKS,
      s.stage < 2 AND NOT ${offeredNow(name, 's.d')}, (SELECT k.worker FROM ${name}.workers k WHERE k.w = s.owner)`
  }

  async find(
    ref: { readonly n: number } | { readonly id: string },
  ): Promise<StoredSaga | Tombstone | undefined> {
    const name = this.#name
    const chunks = `(SELECT json_agg(json_build_array(j.seq, j.at, j.entries) ORDER BY j.seq) FROM ${name}.journal j WHERE j.n = s.n)`
    const saga = this.#saga.replace('CHUNKS', chunks)
    const text =
      'n' in ref
        ? `SELECT json_build_array(${saga}), true FROM ${name}.sagas s WHERE s.n = $1`
        : `SELECT json_build_array(${saga}), true FROM ${name}.sagas s WHERE s.id = $1
           UNION ALL SELECT json_build_array(t.id, t.input_hash, t.status, t.ended_at), false FROM ${name}.tombstones t WHERE t.id = $1`
    const [row] = await this.#query(text, ['n' in ref ? ref.n : stored(ref.id)])
    if (!row) return undefined
    if (row[1] === 't') {
      const wire = JSON.parse(row[0] ?? '') as WireSaga
      return storedOf(wire, await this.#definitions.load(this.#link(), [wire[2]]))
    }
    return tombstoneOf(JSON.parse(row[0] ?? '') as WireTombstone)
  }

  rows(wanted: readonly number[]): Promise<SagaRow[]> {
    return this.#rows(`JOIN unnest($1::bigint[]) WITH ORDINALITY u (n, i) ON s.n = u.n ORDER BY u.i`, [
      numbers(wanted),
    ])
  }

  async list(filter: ListFilter): Promise<SagaRow[]> {
    const { name } = filter
    const named = name === undefined ? undefined : await this.#numbersOf(name)
    const { sql, values } = listing({ filter, ...(named && { named }) }, this.#name)
    return this.#rows(sql, values)
  }

  async obstacles(n: number, limit: number): Promise<Obstacle[]> {
    const name = this.#name
    const text = `SELECT json_build_array(x.n, x.id, x.stage, x.stuck, x.blocked, x.key) FROM (
        SELECT o.n, o.key, s.id, s.stage, s.stuck, s.stage < 2 AND NOT ${offeredNow(name, 's.d')} AS blocked,
          CASE WHEN s.stage = 1 AND (s.stuck OR NOT f.offered) THEN 0 WHEN s.stage = 1 THEN 1 ELSE 2 END AS rank
        FROM ${name}.obstacles_1($1, $2) o JOIN ${name}.sagas s ON s.n = o.n JOIN ${name}.definitions f ON f.d = s.d
      ) x ORDER BY x.rank, x.n LIMIT $2`
    const rows = await this.#query(text, [n, limit])
    return rows.map(([text]) => {
      const [other, id, stage, stuck, blocked, key] = JSON.parse(text ?? '') as [
        number,
        string,
        number,
        boolean,
        boolean,
        string | null,
      ]
      const name = key === null ? null : unstored(key)
      return { n: other, id: unstored(id), stage: stages[stage] ?? 'waiting', stuck, blocked, key: name }
    })
  }

  async definitions(name: string): Promise<DefinitionRef[]> {
    const text = `SELECT name, version, shape FROM ${this.#name}.definitions WHERE name = $1 ORDER BY d`
    const rows = await this.#query(text, [name])
    return rows.map(([name, version, shape]) => ({
      name: name ?? '',
      version: version ?? '',
      shape: shape ?? '',
    }))
  }

  /** Of its definitions. */
  async #numbersOf(name: string): Promise<number[]> {
    const rows = await this.#query(`SELECT d FROM ${this.#name}.definitions WHERE name = $1`, [name])
    return rows.map(([d]) => Number(d))
  }

  async health(thorough: boolean): Promise<Health> {
    const [row] = await this.#query(healthText(this.#name), [])
    const [engine, counts, workers, problems] = JSON.parse(row?.[0] ?? '') as [
      string,
      Record<string, number>,
      { w: string; alive: boolean; offers: number[] }[],
      string[],
    ]
    const definitions = await this.#definitions.load(this.#link(), [
      ...new Set(workers.flatMap(({ offers }) => offers)),
    ])
    const found = thorough ? await inconsistencies(this.#name, (text) => this.#query(text, [])) : []
    return {
      engine,
      schema: migrations.length,
      counts: { ...noCounts(), ...counts },
      workers: workers.map(({ w, alive, offers }) => ({ worker: w, alive, offers: offers.map(definitions) })),
      problems: [...problems, ...found],
    }
  }

  async #rows(rest: string, values: readonly unknown[]): Promise<SagaRow[]> {
    const saga = this.#saga.replace('CHUNKS', 'NULL')
    const rows = await this.#query(
      `SELECT json_build_array(${saga}) FROM ${this.#name}.sagas s ${rest}`,
      values,
    )
    const wires = rows.map(([text]) => JSON.parse(text ?? '') as WireSaga)
    const definitions = await this.#definitions.load(this.#link(), [...new Set(wires.map(([, , d]) => d))])
    return wires.map((wire) => rowOf(wire, definitions))
  }

  async #query(text: string, values: readonly unknown[]): Promise<readonly (readonly (string | null)[])[]> {
    return (await this.#link().query({ text, values, types: asText })) as readonly (readonly (
      | string
      | null
    )[])[]
  }
}

/** A live worker offers this definition, at this moment. */
const offeredNow = (name: string, d: string): string => `EXISTS (
  SELECT FROM ${name}.offers o JOIN ${name}.workers k ON k.w = o.w
  WHERE o.d = ${d} AND NOT k.dead AND k.lease_until > extract(epoch FROM clock_timestamp()) * 1000)`

const healthText = (name: string): string => `
  WITH live AS (
    SELECT status, d FROM ${name}.sagas WHERE stage = 1
    UNION ALL SELECT status, d FROM ${name}.sagas WHERE stage = 0 AND keys IS NOT NULL
    UNION ALL SELECT status, d FROM ${name}.sagas WHERE stage < 2 AND keys IS NULL AND stage = 0
  ), counted AS (SELECT status, d, count(*) AS many FROM live GROUP BY status, d),
  ended AS (SELECT coalesce(sum(committed), 0) AS committed, coalesce(sum(rolled_back), 0) AS rolled_back FROM ${name}.ends)
  SELECT json_build_array(
    'PostgreSQL ' || current_setting('server_version') || ', fsync=' || current_setting('fsync')
      || ', synchronous_commit=' || current_setting('synchronous_commit'),
    json_build_object(
      'queued', (SELECT coalesce(sum(many), 0) FROM counted WHERE status = 0),
      'running', (SELECT coalesce(sum(many), 0) FROM counted WHERE status = 1),
      'rolling_back', (SELECT coalesce(sum(many), 0) FROM counted WHERE status = 2),
      'committed', (SELECT committed FROM ended),
      'rolled_back', (SELECT rolled_back FROM ended),
      'stuck', (SELECT count(*) FROM ${name}.sagas WHERE stuck),
      'blocked', (SELECT coalesce(sum(many), 0) FROM counted WHERE NOT ${offeredNow(name, 'counted.d')})),
    (SELECT coalesce(json_agg(json_build_object('w', k.worker,
        'alive', NOT k.dead AND k.lease_until > extract(epoch FROM clock_timestamp()) * 1000,
        'offers', (SELECT coalesce(json_agg(o.d ORDER BY o.d), '[]') FROM ${name}.offers o WHERE o.w = k.w)) ORDER BY k.w), '[]')
      FROM ${name}.workers k),
    (SELECT coalesce(json_agg(p.says), '[]') FROM (VALUES
      ('fsync', 'fsync is off: a power cut can lose or damage what was acknowledged'),
      ('full_page_writes', 'full_page_writes is off: a power cut can damage the database')) p (setting, says)
      WHERE current_setting(p.setting) = 'off'))`
