/**
 * Prints "PASSED FAILED NOTE" of a vitest run: `node .ci/count.mjs REPORT EXITCODE`, REPORT as vitest's JSON reporter
 * writes it.
 *
 * Invariant: a run that did not end well has at least one failure, whatever its report says or lacks; so has one in which
 * no test passed.
 */
import { existsSync, readFileSync } from 'node:fs'

const [file, code] = process.argv.slice(2)
const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = report

// A todo is a promise, not a test: it does not pass.
const failed = numFailedTests + numTodoTests
const ended = code === '0' && report.success === true && numPassedTests > 0
const note = numPendingTests > 0 ? `${numPendingTests} skipped` : ''
console.log(numPassedTests, ended ? failed : Math.max(1, failed), note)
