/**
 * Prints "PASSED FAILED NOTE" of a vitest run: `node .ci/count.mjs REPORT EXITCODE`, REPORT as vitest's JSON reporter
 * writes it. NOTE names the tests that needed a second try: each is a fault of the test or of the product, to be found.
 *
 * Invariant: a run that did not end well has at least one failure, whatever its report says or lacks; so has one in which
 * no test passed.
 */
import { existsSync, readFileSync } from 'node:fs'

const [file, code] = process.argv.slice(2)
const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
const {
  numPassedTests = 0,
  numFailedTests = 0,
  numPendingTests = 0,
  numTodoTests = 0,
  testResults = [],
} = report

// A todo is a promise, not a test: it does not pass.
const failed = numFailedTests + numTodoTests
const ended = code === '0' && report.success === true && numPassedTests > 0
const again = testResults
  .flatMap((module) => module.assertionResults)
  .filter((test) => test.status === 'passed' && test.failureMessages.length > 0)
  .map((test) => `passed at the second try: ${test.fullName}`)
const notes = numPendingTests > 0 ? [`${numPendingTests} skipped`, ...again] : again
console.log(numPassedTests, ended ? failed : Math.max(1, failed), notes.join('; '))
