/**
 * Types the README's command as a newcomer would and judges what it prints: the default run, which has to end within a
 * minute, and a run whose orchestrator is killed twenty times; both book over HTTP, at services in processes of their own.
 */
import { checkAll, run } from './tarball.mjs'

const fields =
  `sagas committed rolledBack unfinished violations commitFailures rollbackFailures timeouts kills
  inProcess seed store seconds sagasPerSecond`.split(/\s+/)

function simulate(...args) {
  const said = run('npm', ['start', '--', ...args, '--json'], { minutes: 5 })
  const result = JSON.parse(said.trim().split('\n').at(-1))
  const missing = fields.filter((field) => !(field in result))
  if (missing.length > 0)
    throw new Error(`the last line lacks ${missing.join(', ')}: ${JSON.stringify(result)}`)
  return result
}

function demand(result, wanted) {
  const actual = Object.fromEntries(Object.keys(wanted).map((field) => [field, result[field]]))
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) {
    throw new Error(`wanted ${JSON.stringify(wanted)}\ngot ${JSON.stringify(result)}`)
  }
  if (result.committed + result.rolledBack !== result.sagas) throw new Error(JSON.stringify(result))
  // A run in which nothing failed proves nothing.
  if (result.rolledBack === 0 || result.commitFailures === 0)
    throw new Error(`no failures: ${JSON.stringify(result)}`)
  return `${result.committed} committed, ${result.rolledBack} rolled back, ${result.seconds} s`
}

await checkAll({
  'npm start': () => {
    const result = simulate()
    const note = demand(result, { sagas: 1000, unfinished: 0, violations: 0, kills: 0, inProcess: false })
    if (result.seconds > 60) throw new Error(`it took ${result.seconds} s, more than 60`)
    return note
  },
  'npm start -- --sagas 2000 --kill 20': () =>
    demand(simulate('--sagas', '2000', '--kill', '20'), {
      sagas: 2000,
      unfinished: 0,
      violations: 0,
      kills: 20,
      inProcess: false,
    }),
})
