/**
 * Breaks of isolation: who may start, who waits for whom; and of claims: who owns what; see list.mjs.
 */
const admission = 'src/store/admission.ts'
const sqlSchema = 'src/stores/postgres/schema'
const storeTests = ['test/store/memory.test.ts', 'test/store/sqlite.test.ts']

export const order = [
  {
    name: 'keys-not-all-at-once',
    promise: 'P7',
    breaks: 'a saga starts as soon as the first of its keys is free',
    edits: [
      {
        file: admission,
        from: '    for (const key of saga.keys ?? []) {\n      const first = this.#firstReserving(key, saga.n)',
        to: '    for (const key of (saga.keys ?? []).slice(0, 1)) {\n      const first = this.#firstReserving(key, saga.n)',
      },
    ],
    tests: storeTests,
  },
  {
    name: 'serial-overlaps-keyed',
    promise: 'P7',
    breaks: 'a saga with keys starts beside one without',
    edits: [
      {
        file: admission,
        from: "if (lines.holding() === 'exclusive') return -Infinity",
        to: '',
      },
    ],
    tests: [...storeTests, 'test/scenarios/order.test.ts'],
  },
  {
    name: 'waiting-does-not-reserve',
    promise: 'P7',
    breaks: 'later sagas take the keys of one that waits: it starves',
    edits: [
      {
        file: admission,
        from: 'if (now === waits) return spot.n',
        to: '',
      },
    ],
    tests: [...storeTests, 'test/scenarios/order.test.ts'],
  },
  {
    name: 'stuck-blocks-all',
    promise: 'P8',
    breaks:
      'sagas that wait for a stuck one reserve their other keys, and block those that share nothing with it',
    edits: [
      {
        file: admission,
        from: 'if (spot?.place === holds && this.#isBad(spot.n)) return behindSaga(spot.n)',
        to: '',
      },
    ],
    tests: [...storeTests, 'test/scenarios/order.test.ts'],
  },
  {
    name: 'stuck-blocks-all-postgres',
    promise: 'P8',
    breaks: 'the same, in the SQL for PostgreSQL',
    edits: [
      {
        file: `${sqlSchema}/admission.ts`,
        from: 'WHERE is_bad_1(w.n) ORDER BY k.i LIMIT 1), 1) END;',
        to: 'WHERE false ORDER BY k.i LIMIT 1), 1) END;',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
  {
    name: 'lost-wake-up',
    promise: 'P2',
    breaks: 'the end of a saga does not wake the one that waits for its keys',
    edits: [
      {
        file: admission,
        from: 'for (const key of keys) this.#wakeFirst(key)',
        to: '',
      },
    ],
    tests: [...storeTests, 'test/scenarios/order.test.ts'],
  },
  {
    name: 'live-owner-taken-over',
    promise: 'P6',
    breaks: 'a claim takes sagas whose owner is alive',
    edits: [
      {
        file: 'src/stores/sqlite/claims.ts',
        from: 'if (!dead || taken >= most) continue',
        to: 'if (taken >= most) continue',
      },
    ],
    tests: ['test/store/sqlite.test.ts'],
  },
  {
    name: 'dead-owner-never-taken-over',
    promise: 'P2',
    breaks: 'an expired lease means nothing: what its owner had stays his for ever',
    edits: [
      {
        file: 'src/stores/sqlite/registry.ts',
        from: '    this.#readLeases()\n    return worker.leaseUntil > this.#now()',
        to: '    this.#readLeases()\n    return true',
      },
    ],
    tests: ['test/store/sqlite.test.ts', 'test/crash/frozen.test.ts'],
  },
  {
    name: 'dead-owner-never-taken-over-postgres',
    promise: 'P2',
    breaks: 'the same, in the SQL for PostgreSQL',
    edits: [
      {
        file: `${sqlSchema}/workers.ts`,
        from: 'IF silent IS NULL THEN RETURN; END IF;',
        to: 'RETURN;',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
  {
    name: 'token-does-not-grow',
    promise: 'P6',
    breaks: 'who takes a saga over gets the token of the owner before',
    edits: [
      {
        file: 'src/stores/sqlite/claims.ts',
        from: 'const token = this.#nextToken()\n        this.#tx.sql.take',
        to: 'const token = record.token\n        this.#tx.sql.take',
      },
    ],
    tests: ['test/store/sqlite.test.ts'],
  },
  {
    name: 'late-saga-holds-without-waiting',
    promise: 'P7',
    breaks: 'a saga that a late success takes up again runs without taking its keys',
    edits: [
      {
        file: 'src/stores/memory/writes.ts',
        from: '  saga.endedAt = null\n  lines.enter(saga, waits)\n  lines.wake(saga.n)',
        to: "  saga.endedAt = null\n  saga.stage = 'holding'\n  saga.due = 0\n  saga.definition.parked.push(0, saga.n)",
      },
    ],
    tests: ['test/store/memory.test.ts', 'test/scenarios/late.test.ts'],
  },
  {
    name: 'facts-not-noticed',
    promise: 'P9',
    breaks: 'the owner of a saga never hears of a cancel while a commit is being called',
    edits: [
      {
        file: 'src/stores/sqlite/append.ts',
        from: 'if (isForeign) tx.sql.notice.run(n)',
        to: '',
      },
    ],
    tests: ['test/store/sqlite.test.ts', 'test/scenarios/cancel.test.ts'],
  },
  {
    name: 'one-kind-starves-another',
    promise: 'P2',
    breaks: 'a claim gives what is due first, and what waits only where a place is left',
    edits: [
      {
        file: 'src/store/sharing.ts',
        from: 'sources[(turn + i) % count]?.(Math.min(most, left)) ?? 0',
        to: 'sources[i]?.(left) ?? 0',
      },
    ],
    tests: storeTests,
  },
  {
    name: 'waiting-does-not-reserve-postgres',
    promise: 'P7',
    breaks: 'later sagas take the keys of one that waits, in the SQL for PostgreSQL',
    edits: [
      {
        file: `${sqlSchema}/admission.ts`,
        from: 'IF place_now = 1 THEN RETURN saga; END IF;',
        to: '',
      },
    ],
    tests: ['test/store/postgres.test.ts'],
  },
]
