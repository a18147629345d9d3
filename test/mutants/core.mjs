/**
 * Breaks of the pure core, and of how the runtime hands it what calls did; see list.mjs.
 */
const evolve = 'src/core/evolve.ts'
const decide = 'src/core/decide.ts'
const settle = 'src/core/settle.ts'
const changes = 'src/core/step-changes.ts'
const outcome = 'src/runtime/outcome.ts'
const context = 'src/runtime/context.ts'

export const core = [
  {
    name: 'rollback-order-swapped',
    promise: 'P3',
    breaks: 'rolls back from the first position up',
    edits: [
      {
        file: decide,
        from: 'for (let position = state.cursor; position >= 0; position--) {',
        to: 'for (let position = 0; position <= state.cursor; position++) {',
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/core/histories.test.ts'],
  },
  {
    name: 'commit-after-decision',
    promise: 'P3',
    breaks: 'a commit that waits for its next attempt gets it, also after the decision to roll back',
    edits: [
      {
        file: decide,
        from: 'return state.wayBack ? goBack(state, now) : goOn(state, now)',
        to: "return state.wayBack && !state.steps.some(({ commit }) => commit.is === 'waiting') ? goBack(state, now) : goOn(state, now)",
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/core/histories.test.ts'],
  },
  {
    name: 'siblings-not-awaited',
    promise: 'P3',
    breaks: 'a group is rolled back while members of it are still being called',
    edits: [
      {
        file: decide,
        from: "for (const index of members) if (state.steps[index]?.commit.is === 'open') return waitForAnswer",
        to: '',
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/scenarios/groups.test.ts'],
  },
  {
    name: 'doubt-forgotten',
    promise: 'P4',
    breaks: 'a later attempt that is rejected cleanly spares the step',
    edits: [
      {
        file: settle,
        from: "const doubt = step.doubt || result.outcome === 'in_doubt'",
        to: "const doubt = result.outcome === 'in_doubt'",
      },
      {
        file: changes,
        from: 'next.doubt = step.doubt || entry.doubt',
        to: 'next.doubt = entry.doubt',
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/scenarios/late.test.ts'],
  },
  {
    name: 'crash-is-a-rejection',
    promise: 'P4',
    breaks: 'an attempt that was open at a crash counts as rejected',
    edits: [
      {
        file: settle,
        from: "{ is: 'failed', outcome: 'in_doubt', cause: 'crash', error: crash, final: false }",
        to: "{ is: 'failed', outcome: 'rejected', cause: 'crash', error: crash, final: false }",
      },
    ],
    tests: ['test/core/histories.test.ts', 'test/crash/crash.test.ts'],
  },
  {
    name: 'timeout-is-a-rejection',
    promise: 'P4',
    breaks: 'a commit that exceeded its timeout is spared its rollback',
    edits: [
      {
        file: outcome,
        from: "  outcome: 'in_doubt',\n  cause,\n  error,\n  final: false,",
        to: "  outcome: cause === 'timeout' ? 'rejected' : 'in_doubt',\n  cause,\n  error,\n  final: false,",
      },
    ],
    tests: ['test/scenarios/late.test.ts'],
  },
  {
    name: 'lost-answer-is-a-rejection',
    promise: 'P4',
    breaks: 'a broken connection says that the commit had no effect',
    edits: [
      {
        file: outcome,
        from: " || policy.throws === 'in_doubt' || answerLost(thrown)",
        to: " || policy.throws === 'in_doubt'",
      },
    ],
    tests: ['test/scenarios/late.test.ts', 'test/scenarios/values.test.ts'],
  },
  {
    name: 'unstorable-is-a-rejection',
    promise: 'P4',
    breaks: 'a commit whose output cannot be stored is spared its rollback',
    edits: [
      {
        file: outcome,
        from: "outcome: 'in_doubt',\n    cause: 'unstorable',",
        to: "outcome: 'rejected',\n    cause: 'unstorable',",
      },
    ],
    tests: ['test/scenarios/values.test.ts'],
  },
  {
    name: 'unknown-spares',
    promise: 'P4',
    breaks: 'a service that does not know spares the step its rollback',
    edits: [
      {
        file: changes,
        from: "if (answer === 'unknown') return { ...step, asked: true }",
        to: "if (answer === 'unknown') return { ...step, asked: true, spared: true }",
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/runtime/orchestrator.test.ts'],
  },
  {
    name: 'late-ignored',
    promise: 'P4',
    breaks: 'a late success is journaled, and changes nothing',
    edits: [
      {
        file: evolve,
        from: 'return landedLate(state, entry, at)',
        to: 'return state',
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/scenarios/late.test.ts'],
  },
  {
    name: 'late-not-rolled-back-again',
    promise: 'P4',
    breaks: 'a rollback that is done is not run again after a late success',
    edits: [
      {
        file: changes,
        from: "    case 'waiting':\n    case 'done':\n      return nextRound(doubted, step.undoAttempts)",
        to: "    case 'done':\n      return doubted\n    case 'waiting':\n      return nextRound(doubted, step.undoAttempts)",
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/scenarios/late.test.ts'],
  },
  {
    name: 'no-new-key-for-round-two',
    promise: 'P4',
    breaks: 'a rollback that runs again has the key of the one before: a participant answers that it is done',
    edits: [
      {
        file: context,
        from: 'rollbackKeyOf(state.uid, step, call.round)',
        to: 'rollbackKeyOf(state.uid, step, 1)',
      },
    ],
    tests: ['test/scenarios/late.test.ts'],
  },
  {
    name: 'rollback-given-up',
    promise: 'P5',
    breaks: 'a rollback that failed twenty times counts as done',
    edits: [
      {
        file: settle,
        from: "  if (result.is === 'returned') {\n    return [",
        to: "  if (result.is === 'returned' || step.undoFailures.failures >= 20) {\n    return [",
      },
    ],
    tests: ['test/core/hard-cases-saga.test.ts', 'test/scenarios/retries.test.ts'],
  },
  {
    name: 'crashes-not-counted',
    promise: 'P8',
    breaks: 'a commit that kills its process each time is called for ever: never crash_loop',
    edits: [
      {
        file: settle,
        from: 'crashes: before.crashes + (crash ? 1 : 0),',
        to: 'crashes: before.crashes,',
      },
    ],
    tests: ['test/core/hard-cases-calls.test.ts', 'test/crash/poison.test.ts'],
  },
  {
    name: 'fold-loses-a-failure',
    promise: 'P2',
    breaks: 'a folded answer overwrites what was said of a sibling',
    edits: [
      {
        file: 'src/core/fold.ts',
        from: ' || later.step !== earlier.step) return false',
        to: ') return false',
      },
    ],
    tests: ['test/core/properties.test.ts', 'test/core/histories.test.ts'],
  },
  {
    name: 'cancel-past-pivot',
    promise: 'P9',
    breaks: 'a cancel is accepted after the pivot has committed',
    edits: [
      {
        file: 'src/core/summary.ts',
        from: "if (state.pastPivot) return refuse('PAST_PIVOT', 'its pivot has committed, so it can only go forward')",
        to: '',
      },
      {
        file: evolve,
        from: "if (state.wayBack || state.pastPivot || state.status === 'committed') return state",
        to: "if (state.wayBack || state.status === 'committed') return state",
      },
    ],
    tests: ['test/core/operators.test.ts', 'test/scenarios/groups.test.ts'],
  },
  {
    name: 'deadline-ignored-while-queued',
    promise: 'P9',
    breaks: 'a deadline that passes while the saga is queued does not end it',
    edits: [
      {
        file: decide,
        from: 'const deadline = state.deadlinePassed ? undefined : state.deadline',
        to: "const deadline = state.deadlinePassed || state.status === 'queued' ? undefined : state.deadline",
      },
    ],
    tests: ['test/core/hard-cases-saga.test.ts', 'test/scenarios/cancel.test.ts'],
  },
  {
    name: 'failures-not-counted',
    promise: 'P5',
    breaks: 'each failure is the first one: the backoff never grows, and nothing is ever stuck',
    edits: [
      {
        file: settle,
        from: 'failures: before.failures + 1,',
        to: 'failures: 1,',
      },
    ],
    tests: ['test/core/settle.test.ts', 'test/scenarios/retries.test.ts'],
  },
  {
    name: 'pivot-in-doubt-given-up',
    promise: 'P9',
    breaks: 'a pivot in doubt is rolled back when its attempts are used up',
    edits: [
      {
        file: settle,
        from: 'return state.pastPivot || (policy.pivot && inDoubt) || policy',
        to: 'return state.pastPivot || policy',
      },
    ],
    tests: ['test/core/hard-cases-saga.test.ts', 'test/scenarios/groups.test.ts'],
  },
  {
    name: 'deadline-turns-back-behind-the-pivot',
    promise: 'P9',
    breaks: 'a deadline that passes behind the pivot turns the saga back',
    edits: [
      {
        file: decide,
        from: "state.pastPivot ? { type: 'deadline_passed' } : { type: 'rolling_back', reason: 'deadline' },",
        to: "{ type: 'rolling_back', reason: 'deadline' },",
      },
      {
        file: evolve,
        from: "if (state.wayBack || state.pastPivot || state.status === 'committed') return state",
        to: "if (state.wayBack || state.status === 'committed') return state",
      },
    ],
    tests: ['test/core/hard-cases-saga.test.ts'],
  },
  {
    name: 'key-per-attempt',
    promise: 'P4',
    breaks: 'each attempt has an idempotency key of its own: a service takes the second for another order',
    edits: [
      {
        file: context,
        from: 'this.idempotencyKey = commitKey',
        to: "this.idempotencyKey = commitKey + ':' + call.attempt",
      },
    ],
    tests: ['test/runtime/orchestrator.test.ts', 'test/scenarios/groups.test.ts'],
  },
]
