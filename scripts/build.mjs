/**
 * Builds a TypeScript project: `node scripts/build.mjs [tsconfig]`, by default tsconfig.json (src/ to dist/), then the page.
 *
 * Invariants
 * - It prints nothing on stdout, so that the last line of `npm start -- --json` is the simulation's.
 * - When nothing changed it starts no compiler: a stamp in the output folder holds name, size and time of every input.
 * - The output holds nothing whose source is gone: tsc never deletes, and a stale file can still be imported, and packed.
 * - The command can be executed as a file; tsc knows nothing of that.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildPage } from './build-page.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const project = join(root, process.argv[2] ?? 'tsconfig.json')
const { rootDir, outDir } = JSON.parse(readFileSync(project, 'utf8')).compilerOptions
const source = join(root, rootDir)
const output = join(root, outDir)
const stampFile = join(output, '.stamp')

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => relative(folder, join(file.parentPath, file.name)))
    .sort()
}

/** Changes whenever an input of the build does. */
function stamp(sources) {
  const inputs = [project, join(root, 'tsconfig.json'), join(root, 'package-lock.json')]
  return inputs
    .concat(sources.map((file) => join(source, file)))
    .map((file) => {
      const { size, mtimeMs } = statSync(file)
      return `${relative(root, file)} ${size} ${mtimeMs}`
    })
    .join('\n')
}

const sources = filesUnder(source).filter((file) => file.endsWith('.ts'))
const stems = new Set(sources.map((file) => file.slice(0, -'.ts'.length)))
const stemOf = (file) => file.replace(/\.(js|d\.ts)(\.map)?$/, '')

// The operator's page has a build of its own (build-page.mjs), which replaces its folder as a whole.
const isPage = (file) => file.startsWith('dashboard')
const built = filesUnder(output).filter((file) => stemOf(file) !== file && !isPage(file))
for (const file of built) if (!stems.has(stemOf(file))) rmSync(join(output, file))

const complete = sources.every((file) => existsSync(join(output, file.replace(/\.ts$/, '.js'))))
// tsc trusts its build info, not the folder: without this a file deleted by hand would never come back.
if (!complete) rmSync(join(output, '.tsbuildinfo'), { force: true })

const now = stamp(sources)
const last = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : ''
if (!complete || now !== last) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
  const command = join(output, 'cli/main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
  writeFileSync(stampFile, now)
}

/** The schema of definition files, for editors that check while one writes. */
async function writeSchema() {
  const file = join(output, 'definition.schema.json')
  const { definitionSchema } = await import(pathToFileURL(join(output, 'remote/schema.js')).href)
  const text = `${JSON.stringify(definitionSchema, null, 2)}\n`
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}

if (output === join(root, 'dist')) {
  await writeSchema()
  await buildPage()
}
