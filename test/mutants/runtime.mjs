/**
 * Breaks of the runtime: when calls are made and heard, what is written and in which order, leases; see list.mjs.
 */
const course = 'src/runtime/course.ts'
const execution = 'src/runtime/execution.ts'
const calls = 'src/runtime/calls.ts'
const call = 'src/runtime/call.ts'
const groupCommit = 'src/runtime/group-commit.ts'
const worker = 'src/runtime/worker.ts'

export const runtime = [
  {
    name: 'answered-before-the-flush',
    promise: 'P1',
    breaks: 'writes are answered before the transaction that holds them is committed',
    edits: [
      {
        file: 'src/stores/sqlite/database.ts',
        from: '      connection.commit()\n      tx.finish()\n      return results',
        to: '      this.late = () => {\n        this.late = undefined\n        connection.commit()\n        tx.finish()\n      }\n      setTimeout(() => this.late?.(), 10)\n      return results',
      },
      {
        file: 'src/stores/sqlite/database.ts',
        from: 'if (this.#open) return this.#open',
        to: 'this.late?.()\n    if (this.#open) return this.#open',
      },
      {
        file: 'src/stores/sqlite/database.ts',
        from: 'this.#isClosed = true',
        to: 'this.late?.()\n    this.#isClosed = true',
      },
    ],
    tests: ['test/crash/crash.test.ts', 'test/scenarios/processes.test.ts'],
  },
  {
    name: 'call-before-its-intent',
    promise: 'P1',
    breaks: 'a call is made while the write of its intent is still under way',
    edits: [
      {
        file: execution,
        from: '    if (departure) this.#host.leaving(this)\n  }',
        to: '    if (departure) this.#host.leaving(this)\n    else this.#calls.make(next.calls)\n  }',
      },
      {
        file: execution,
        from: '    if (next.calls.length > 0) this.#calls.make(next.calls)\n    this.#busy = false\n    this.#rest(next)',
        to: '    this.#busy = false\n    this.#rest(next)',
      },
    ],
    tests: ['test/crash/crash.test.ts'],
  },
  {
    name: 'keys-released-at-the-decision',
    promise: 'P7',
    breaks: 'a saga gives its keys back when it turns back, not after its last rollback',
    edits: [
      {
        file: 'src/stores/memory/writes.ts',
        from: "  if (summary.stage === 'done') end(state, saga, at)",
        to: "  if (status === 'rolling_back' && saga.stage === 'holding' && saga.keys !== null) {\n    const { keys } = saga\n    lines.leave(saga)\n    saga.keys = []\n    lines.enterHolding(saga)\n    admission.released(keys)\n  }\n  if (summary.stage === 'done') end(state, saga, at)",
      },
    ],
    tests: ['test/store/memory.test.ts', 'test/scenarios/order.test.ts'],
  },
  {
    name: 'counts-reset-at-recovery',
    promise: 'P2',
    breaks: 'who takes a saga over counts its attempts and failures from one',
    edits: [
      {
        file: worker,
        from: '    const state = replay(definition.plan, saga.chunks)\n    const execution',
        to: '    const none = { failures: 0, used: 0, crashes: 0, since: 0, stuck: false }\n    const fresh = { attempts: 0, undoAttempts: 0, commitFailures: none, undoFailures: none }\n    const old = replay(definition.plan, saga.chunks)\n    const state = { ...old, steps: old.steps.map((step) => ({ ...step, ...fresh })) }\n    const execution',
      },
    ],
    tests: ['test/scenarios/retries.test.ts', 'test/crash/crash.test.ts'],
  },
  {
    name: 'goes-on-from-memory',
    promise: 'P6',
    breaks: 'after a conflict the execution goes on from what it remembers instead of what is stored',
    edits: [
      {
        file: execution,
        from: '      return\n    }\n    this.#reload()\n  }',
        to: '      return\n    }\n    this.#tail = { ...this.#tail, seq: this.#tail.seq + 1 }\n    this.#stale = false\n    this.#busy = false\n    this.#advance()\n  }',
      },
    ],
    tests: ['test/runtime/conflicts.test.ts', 'test/scenarios/cancel.test.ts'],
  },
  {
    name: 'no-grace',
    promise: 'P4',
    breaks: 'a commit that exceeded its timeout gets no grace before its rollback',
    edits: [
      {
        file: call,
        from: "this.#timer = this.#clock.timer(this.#grace, () => this.#hear({ is: 'silent', overrun }))",
        to: "this.#timer = this.#clock.timer(0, () => this.#hear({ is: 'silent', overrun }))",
      },
    ],
    tests: ['test/scenarios/late.test.ts'],
  },
  {
    name: 'late-success-not-heard',
    promise: 'P4',
    breaks: 'a success after the grace is dropped',
    edits: [
      {
        file: call,
        from: "if (heard.is === 'returned') this.#listener.late(this, heard.value)",
        to: '',
      },
    ],
    tests: ['test/scenarios/late.test.ts'],
  },
  {
    name: 'unwritten-success-dropped',
    promise: 'P4',
    breaks: 'a success that could not be written because the lease was lost is forgotten',
    edits: [
      {
        file: execution,
        from: "if (how === 'lost') this.#reportUnwritten()",
        to: "if (how === 'lost') {}",
      },
    ],
    tests: ['test/runtime/lease.test.ts', 'test/scenarios/late.test.ts', 'test/runtime/close.test.ts'],
  },
  {
    name: 'rollback-sees-the-cancel',
    promise: 'P9',
    breaks: 'a cancel or deadline aborts rollbacks as well',
    edits: [
      {
        file: calls,
        from: "if (running.call.kind === 'commit') running.abort(",
        to: 'running.abort(',
      },
    ],
    tests: ['test/scenarios/cancel.test.ts'],
  },
  {
    name: 'output-not-as-stored',
    promise: 'P1',
    breaks: 'later steps receive what the commit returned instead of what was stored',
    edits: [
      {
        file: 'src/runtime/outcome.ts',
        from: "return { is: 'returned', output: stored.value, overdue:",
        to: "return { is: 'returned', output: heard.value, overdue:",
      },
    ],
    tests: ['test/scenarios/values.test.ts'],
  },
  {
    name: 'stale-owner-keeps-calling',
    promise: 'P6',
    breaks: 'an owner whose lease may be over makes new calls',
    edits: [
      {
        file: calls,
        from: 'if (calls.length === 0 || !this.#host.mayCall()) return',
        to: 'if (calls.length === 0) return',
      },
    ],
    tests: ['test/runtime/lease.test.ts'],
  },
  {
    name: 'lease-counts-from-its-answer',
    promise: 'P6',
    breaks: 'a lease counts from when its renewal was answered, not from when it was sent',
    edits: [
      {
        file: 'src/runtime/lease.ts',
        from: 'this.#held = sent',
        to: 'this.#held = this.#clock.monotonic()',
      },
    ],
    tests: ['test/runtime/lease.test.ts'],
  },
  {
    name: 'signals-outlive-the-lease',
    promise: 'P6',
    breaks: 'calls under way hear nothing when the lease is lost',
    edits: [
      {
        file: call,
        from: '    this.#timer?.cancel()\n    this.signal.abort(reason)\n  }\n\n  #giveUp',
        to: '    this.#timer?.cancel()\n  }\n\n  #giveUp',
      },
    ],
    tests: ['test/runtime/lease.test.ts'],
  },
  {
    name: 'group-answers-the-first',
    promise: 'P1',
    breaks: "group commit answers all writes of a flush with the first one's result",
    edits: [
      {
        file: groupCommit,
        from: 'answers[i]?.(results[i])',
        to: 'answers[i]?.(results[0])',
      },
    ],
    tests: ['test/runtime/group-commit.test.ts'],
  },
  {
    name: 'append-dropped-after-a-lost-answer',
    promise: 'P1',
    breaks: 'an append whose answer was lost is not sent again',
    edits: [
      {
        file: groupCommit,
        from: "if (write.type === 'append') kept.push(i)\n      else answers[i]?.(undefined, error)",
        to: 'answers[i]?.(undefined, error)',
      },
    ],
    tests: ['test/runtime/group-commit.test.ts', 'test/runtime/lost-answers.test.ts'],
  },
  {
    name: 'input-not-compared',
    promise: 'P1',
    breaks: 'a submit under a taken id with other input gets the saga of somebody else',
    edits: [
      {
        file: 'src/runtime/submitter.ts',
        from: 'return inputHash(name, first.input) === inputHash(name, input)',
        to: 'return true',
      },
    ],
    tests: ['test/runtime/orchestrator.test.ts', 'test/scenarios/processes.test.ts'],
  },
  {
    name: 'steps-of-another-shape',
    promise: 'P8',
    breaks: 'a saga is run by the functions of a definition with another shape under the same version',
    edits: [
      {
        file: 'src/runtime/registry.ts',
        from: 'return definition?.plan.shape === ref.shape ? definition : undefined',
        to: 'return definition',
      },
      {
        file: 'src/stores/sqlite/registry.ts',
        from: 'return JSON.stringify([name, version, shape])',
        to: 'return JSON.stringify([name, version])',
      },
      {
        file: 'src/stores/memory/state.ts',
        from: 'const text = JSON.stringify([name, version, shape])',
        to: 'const text = JSON.stringify([name, version])',
      },
    ],
    tests: ['test/scenarios/definitions.test.ts'],
  },
  {
    name: 'suspect-runs-among-others',
    promise: 'P8',
    breaks: 'a saga whose step was open at two crashes runs beside others, which are blamed for the third',
    edits: [
      {
        file: worker,
        from: 'if (suspected(state)) this.#suspects.push(execution)\n    else execution.resume()',
        to: 'execution.resume()',
      },
    ],
    tests: ['test/runtime/worker.test.ts', 'test/crash/poison.test.ts'],
  },
  {
    name: 'shutdown-is-a-crash',
    promise: 'P2',
    breaks: 'what a process leaves open when it closes down counts as a crash',
    edits: [
      {
        file: course,
        from: 'this.#say(entries, release(this.state, now), now)',
        to: 'this.#say(entries, interrupt(this.state, now, () => 0), now)',
      },
    ],
    tests: ['test/runtime/close.test.ts', 'test/crash/crash.test.ts'],
  },
  {
    name: 'siblings-aborted',
    promise: 'P4',
    breaks: 'a member of a group that fails aborts its siblings, which puts them in doubt',
    edits: [
      {
        file: execution,
        from: "if (reason === 'cancelled' || reason === 'deadline') this.#calls.abortCommits(reason)",
        to: 'if (reason) this.#calls.abortCommits(reason)',
      },
    ],
    tests: ['test/scenarios/groups.test.ts'],
  },
  {
    name: 'no-alarm',
    promise: 'P5',
    breaks: 'a saga that keeps failing is never called stuck',
    edits: [
      {
        file: execution,
        from: 'const stuck = maybe && isStuck(state)',
        to: 'const stuck = false',
      },
    ],
    tests: ['test/scenarios/retries.test.ts'],
  },
  {
    name: 'long-timers-fire-at-once',
    promise: 'P5',
    breaks: 'a wait of more than 2^31-1 ms is over at once',
    edits: [
      {
        file: 'src/runtime/clock.ts',
        from: 'const wait = Math.min(this.#left, longestTimeout)',
        to: 'const wait = this.#left',
      },
    ],
    tests: ['test/scenarios/retries.test.ts'],
  },
  {
    name: 'when-is-not-journaled',
    promise: 'P1',
    breaks: 'a condition that says no is asked again later, instead of being journaled',
    edits: [
      {
        file: course,
        from: "return isWanted(this.definition, this.state, index) ? [] : [{ type: 'skipped', step }]",
        to: "return isWanted(this.definition, this.state, index) ? [] : [{ type: 'committed', step, attempt: 1 }]",
      },
    ],
    tests: ['test/runtime/orchestrator.test.ts'],
  },
]
