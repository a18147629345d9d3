/**
 * The plan in docs/scaling.md in numbers: what a fleet on one PostgreSQL carries, and on several, computed from a few measured figures.
 * `node scripts/scaling.mjs` prints the table; `--write` puts it into the page.
 *
 * A model, not a measurement: it knows the three things that bound a fleet, and says which of them does.
 *   workers   N processes, one core each
 *   server    its cores, of which a part is left for vacuum, checkpoints and the user's own queries
 *   line      flushes that start or end sagas follow each other, commit by commit; the busier, the larger they are
 */
import { readFileSync, writeFileSync } from 'node:fs'

/** By `node dist-bench/postgres/cost.js`; the page names the machine. */
const figures = {
  /** Processor of one three-step saga, in µs: in its own process, and on the server. */
  workerUs: 44,
  serverUs: 88,
  /**
   * An estimate, from flushes of 17 and 65 writes that take 1.8 and 2.4 ms: of a flush beside its commit in ms once, and in µs for each
   * saga that starts or ends in it. All of it counts as under the line, though the appends go before it: so it errs on the safe side.
   */
  lineMs: 1.1,
  lineUs: 25,
  /** Written ahead, and kept once the saga has ended, in bytes. */
  walBytes: 2_200,
  keptBytes: 1_400,
}

/** Of the server's cores, what sagas may use. */
const share = 0.7
/** Sagas that start or end in one flush, at most: 1,024 writes, of which half start or end one. */
const mostInFlush = 512
/** A saga passes the line twice: it starts, and it ends. */
const passes = 2
const day = 86_400

/** Sagas a second of one database. */
function carries({ workers, cores, commitMs }) {
  const bounds = {
    workers: (workers * 1e6) / figures.workerUs,
    server: (cores * share * 1e6) / figures.serverUs,
    line:
      (mostInFlush / passes / (commitMs + figures.lineMs + (mostInFlush * figures.lineUs) / 1_000)) * 1_000,
  }
  const [bound, perSecond] = Object.entries(bounds).sort((a, b) => a[1] - b[1])[0]
  return { bound, perSecond }
}

const plans = [
  { what: 'one process', databases: 1, workers: 1, cores: 2, commitMs: 0.5 },
  { what: 'a small fleet', databases: 1, workers: 4, cores: 8, commitMs: 0.5 },
  { what: 'a large server', databases: 1, workers: 16, cores: 32, commitMs: 0.5 },
  { what: 'the same, synchronous replica', databases: 1, workers: 16, cores: 32, commitMs: 2 },
  { what: 'four databases by key', databases: 4, workers: 8, cores: 16, commitMs: 0.5 },
  { what: 'sixteen databases by key', databases: 16, workers: 8, cores: 16, commitMs: 0.5 },
  { what: 'a distributed database, one', databases: 1, workers: 16, cores: 64, commitMs: 10 },
  { what: 'distributed, 16 schemas by key', databases: 16, workers: 4, cores: 8, commitMs: 10 },
]

const round = (value) => Number(value.toPrecision(2)).toLocaleString('en')

function row({ what, databases, ...one }) {
  const { bound, perSecond } = carries(one)
  const all = perSecond * databases
  const cells = [
    what,
    `${databases} × (${one.workers} processes, ${one.cores} cores, commit ${one.commitMs} ms)`,
    round(all),
    bound,
    round(databases * one.workers * 3),
    `${round((all * figures.walBytes) / 1e6)} MB/s`,
    `${round((all * day * figures.keptBytes) / 1e9)} GB`,
  ]
  return `| ${cells.join(' | ')} |`
}

const table = () =>
  [
    '| plan | what | sagas a second | bound by | connections | written ahead | kept a day, unpruned |',
    '|---|---|---|---|---|---|---|',
    ...plans.map(row),
  ].join('\n')

const page = new URL('../docs/scaling.md', import.meta.url)
const place = /(<!-- plan -->\n)[\s\S]*?(\n<!-- \/plan -->)/

if (process.argv[1] === new URL(import.meta.url).pathname) {
  if (process.argv.includes('--write')) {
    writeFileSync(
      page,
      readFileSync(page, 'utf8').replace(place, (_, from, to) => `${from}${table()}${to}`),
    )
  } else process.stdout.write(`${table()}\n`)
}
