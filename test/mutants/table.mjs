/** The table of docs/mutants.md, made from what scripts/mutants.mjs found. */
const place = /(<!-- mutants -->\n)[\s\S]*?(<!-- \/mutants -->)/

/** What would end a cell, or be taken for markup. */
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const row = ({ name, promise, breaks, killed, file, test, seconds }) => {
  const killer = killed ? `\`${file}\`: ${test}` : '**nobody**'
  return `| ${[name, promise, breaks, killer, seconds.toFixed(1)].map(cell).join(' | ')} |`
}

/** The page with a new table. */
export function tableOf(page, results) {
  const killed = results.filter((result) => result.killed).length
  const table = [
    `${killed} of ${results.length} are killed.`,
    '',
    '| mutant | promise | what is broken | killed by | s |',
    '|---|---|---|---|---|',
    ...results.map(row),
    '',
  ]
  if (!place.test(page)) throw new Error('docs/mutants.md has no place for the table')
  return page.replace(place, (_, from, to) => `${from}${table.join('\n')}${to}`)
}
