/** The tables of docs/mutants.md: what scripts/mutants.mjs found, and the score in Stryker's report. */

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
function placed(page, name, lines) {
  const place = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`)
  if (!place.test(page)) throw new Error(`docs/mutants.md has no place for ${name}`)
  return page.replace(place, (_, from, to) => `${from}${lines.join('\n')}\n${to}`)
}

/** What would end a cell, or be taken for markup. */
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const row = ({ name, promise, breaks, killed, file, test, seconds }) => {
  const killer = killed ? `\`${file}\`: ${test}` : '**nobody**'
  return `| ${[name, promise, breaks, killer, seconds.toFixed(1)].map(cell).join(' | ')} |`
}

/** The page with a new table of protocol mutants. */
export function tableOf(page, results) {
  const killed = results.filter((result) => result.killed).length
  return placed(page, 'mutants', [
    `${killed} of ${results.length} are killed.`,
    '',
    '| mutant | promise | what is broken | killed by | s |',
    '|---|---|---|---|---|',
    ...results.map(row),
  ])
}

const isKilled = ({ status }) => status === 'Killed' || status === 'Timeout'
/** Left out by the list in stryker.config.mjs, or not loadable: nothing that a test could notice. */
const counts = ({ status }) => !['Ignored', 'CompileError', 'RuntimeError'].includes(status)

/** One that loops for ever. A machine that is far too busy counts others with them. */
const isEndless = ({ status }) => status === 'Timeout'

const percent = (mutants) => ((100 * mutants.filter(isKilled).length) / mutants.length).toFixed(1)

/** The page with the score of a report of Stryker's, file by file. */
export function scoreOf(page, { files }) {
  const names = Object.keys(files).sort()
  const of = (name) => files[name].mutants.filter(counts)
  const all = names.flatMap(of)
  const rows = names.filter((name) => of(name).length > 0)
  const line = (name, mutants) => {
    const survived = mutants.filter((mutant) => !isKilled(mutant)).length
    return `| ${name} | ${mutants.length} | ${survived} | ${mutants.filter(isEndless).length} | ${percent(mutants)} % |`
  }
  return placed(page, 'score', [
    '| file | mutants | survived | by the time limit | score |',
    '|---|---|---|---|---|',
    ...rows.map((name) => line(`\`${name}\``, of(name))),
    line('**all**', all),
  ])
}
