/**
 * Builds the operator's page (dashboard/) into dist/dashboard/; build.mjs calls it after the compiler.
 *
 * Invariants
 * - When nothing changed it does not even load vite: a stamp beside the page holds size and time of every input, among them
 *   the modules of dist/ that the page shares with the command line.
 * - The folder is replaced as a whole, so that nobody is served half of two pages.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'dashboard')
const output = join(root, 'dist/dashboard')
const stampFile = join(output, '.stamp')

function inputs() {
  const own = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
  return [...own, join(root, 'package-lock.json'), fileURLToPath(import.meta.url)].sort()
}

const seen = (file) => {
  const { size, mtimeMs } = statSync(file)
  return `${size} ${mtimeMs}`
}

const stampOf = (files) => Object.fromEntries(files.map((file) => [relative(root, file), seen(file)]))

function isCurrent() {
  if (!existsSync(stampFile) || !existsSync(join(output, 'index.html'))) return false
  const { own, shared } = JSON.parse(readFileSync(stampFile, 'utf8'))
  if (JSON.stringify(own) !== JSON.stringify(stampOf(inputs()))) return false
  return Object.entries(shared).every(([file, then]) => {
    const path = join(root, file)
    return existsSync(path) && seen(path) === then
  })
}

/** The modules of dist/ in a bundle: the page is built anew when one of them is. */
const sharedIn = (bundles) =>
  bundles
    .flatMap(({ output: chunks }) => chunks.flatMap((chunk) => Object.keys(chunk.modules ?? {})))
    .filter((file) => file.startsWith(join(root, 'dist/')))

/** Puts a folder in the place of another, also where a second build does the same at this moment. */
function replace(place, fresh) {
  const old = `${fresh}.old`
  try {
    renameSync(place, old)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  try {
    renameSync(fresh, place)
  } catch (error) {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  }
  rmSync(old, { recursive: true, force: true })
}

/** Resolves once dist/dashboard/ is what dashboard/ says. */
export async function buildPage() {
  // A copy that only tests src/ has no page.
  if (!existsSync(source) || isCurrent()) return
  const own = stampOf(inputs())
  const { build } = await import('vite')
  const fresh = `${output}.${process.pid}`
  try {
    const result = await build({
      configFile: join(source, 'vite.config.ts'),
      build: { outDir: fresh, emptyOutDir: true },
    })
    writeFileSync(join(fresh, '.stamp'), JSON.stringify({ own, shared: stampOf(sharedIn([result].flat())) }))
    replace(output, fresh)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}
