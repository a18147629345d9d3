/**
 * The tests of the core, as mutation testing runs them: all in one file, because Stryker starts a thread for each file and
 * each mutant; the slowest last, because the first failure is enough. Only plan.test.ts is run by itself: where plans are broken,
 * the others do not load, and what does not load does not count.
 *
 * Not among them: histories.test.ts, whose ten seconds would be spent on each mutant (histories.ts has the smallest of its
 * sagas), and planted.test.ts, which is about these tests and not about the core. list.test.ts holds that no other is missing.
 */
import '../core/address.test.js'
import '../core/bytes.test.js'
import '../core/duration.test.js'
import '../core/hostile.test.js'
import '../core/connection-errors.test.js'
import '../core/fold.test.js'
import '../core/evolve.test.js'
import '../core/step-changes.test.js'
import '../core/errors.test.js'
import '../core/settle.test.js'
import '../core/settle-entries.test.js'
import '../core/operators.test.js'
import '../core/golden.test.js'
import '../core/hard-cases-calls.test.js'
import '../core/hard-cases-saga.test.js'
import '../core/properties.test.js'
import '../core/described-error.test.js'
import '../core/json.test.js'
import './histories.js'
