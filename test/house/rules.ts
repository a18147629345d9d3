/**
 * The rules of the house, as functions from sources to violations: who may import whom, who may read time and chance,
 * and what every file looks like. Pure, so that the rules can be tested on planted violations.
 *
 * Invariants
 * - A room is a folder below src/. `arrows` is the whole truth on who may import whom; ARCHITECTURE.md draws it.
 * - Imports of types count: what a file needs to know is a dependency, whether or not it is gone at run time.
 */
import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import ts from 'typescript'

/** Text by path, relative to src/, with forward slashes. */
export type Sources = ReadonlyMap<string, string>

const faces = ['index.ts', 'barrier/index.ts']

/** What each room, or single file of it, may import beside its own room: rooms, or single files. */
export const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  definition: ['core'],
  store: ['core'],
  'stores/memory': ['store', 'core'],
  'stores/sqlite': ['store', 'core'],
  'stores/postgres': ['store', 'core'],
  runtime: ['store', 'definition', 'core'],
  // The one place where an address becomes a store.
  'runtime/address.ts': ['stores/memory', 'stores/sqlite', 'stores/postgres'],
  barrier: ['core'],
  remote: ['index.ts', 'definition', 'core'],
  http: ['index.ts', 'runtime', 'remote', 'definition', 'store', 'core'],
  testing: ['runtime', 'stores/memory', 'store', 'definition', 'core', 'index.ts'],
  simulation: [...faces, 'http/index.ts'],
  cli: ['runtime', 'simulation', 'http', 'index.ts'],
  'index.ts': ['runtime', 'stores/memory', 'store', 'definition', 'core'],
}

/** Files that read time, chance or ids, and why. All others are given them. */
export const clocks: Readonly<Record<string, string>> = {
  'runtime/clock.ts': 'it is the clock',
  'simulation/clock.ts': 'the clock of the simulation, which sees only the public API',
  'testing/clock.ts': 'it is a clock, and bounds what happens outside of it',
  'remote/patience.ts': 'bounds how long a participant may keep us waiting',
  'stores/memory/index.ts': "the store's own clock, unless a test brings one (contract, 10)",
  'stores/sqlite/backends.ts': "the store's own clock, unless a test brings one (contract, 10)",
  'stores/sqlite/thread.ts': 'a function cannot cross into a thread',
  'stores/sqlite/connection.ts': 'bounds the wait for a lock, in the thread',
  'stores/postgres/connections.ts': 'bounds the wait for a pool that has nothing to give',
  'stores/postgres/flusher.ts': 'pauses between repeats, with jitter',
  'stores/postgres/link.ts': 'the pause after a connection that failed',
  'stores/postgres/side.ts':
    "measures how far the database's clock is ahead of ours, spaces the hints, and asks again where no answer comes",
  'stores/sqlite/liveness.ts': 'bounds how often other processes are looked at, in the thread',
}

interface Import {
  readonly specifier: string
  readonly line: number
  /** Resolved at once when the file is loaded: neither a type nor an `import()`. */
  readonly eager: boolean
}

/** The room of a file: its folder, two levels deep below stores/; a file right below src/ is a room of its own. */
export function roomOf(file: string): string {
  const folders = file.split('/').slice(0, -1)
  if (folders.length === 0) return file
  return folders[0] === 'stores' ? folders.slice(0, 2).join('/') : (folders[0] as string)
}

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node)
  node.forEachChild((child) => visit(child, see))
}

function lineOf(node: ts.Node): number {
  const source = node.getSourceFile()
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
}

/** The string that a node imports from, in any of the forms that TypeScript has. */
function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return node.arguments[0]
  // new URL('./thread.js', import.meta.url): how a thread is started.
  if (ts.isNewExpression(node) && node.expression.getText() === 'URL') return node.arguments?.[0]
  return undefined
}

function isEager(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) return node.importClause?.isTypeOnly !== true
  if (ts.isExportDeclaration(node)) return !node.isTypeOnly
  return false
}

export function importsOf(file: string, text: string): Import[] {
  const found: Import[] = []
  visit(parse(file, text), (node) => {
    const specifier = specifierOf(node)
    if (!specifier) return
    if (!ts.isStringLiteralLike(specifier)) {
      // A name computed at run time cannot be checked, so outside of URLs there must be none.
      if (!ts.isNewExpression(node)) found.push({ specifier: '(computed)', line: lineOf(node), eager: false })
      return
    }
    if (ts.isNewExpression(node) && !/^\.\.?\/.*\.js$/.test(specifier.text)) return
    found.push({ specifier: specifier.text, line: lineOf(node), eager: isEager(node) })
  })
  return found
}

/** The file that a relative specifier names; undefined for packages. */
function target(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
}

function mayImport(from: string, to: string): boolean {
  const [here, there] = [roomOf(from), roomOf(to)]
  if (here === there) return true
  const allowed = [...(arrows[here] ?? []), ...(arrows[from] ?? [])]
  return allowed.includes(there) || allowed.includes(to)
}

/** Arrows that are not allowed, files that are not there, and what `core` may not touch. */
export function brokenArrows(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    const unknown = roomOf(file) in arrows ? [] : [`${file}: no room of this name in test/house/rules.ts`]
    const broken = importsOf(file, text).flatMap(({ specifier, line }) => {
      const at = `${file}:${line} imports ${specifier}`
      if (specifier === '(computed)') return [`${at}: a name that cannot be checked`]
      const to = target(file, specifier)
      if (to === undefined) return outsideOf(file, specifier).map((why) => `${at}: ${why}`)
      if (!sources.has(to)) return [`${at}: no such file (write the path with .js, and no index by folder)`]
      return mayImport(file, to) ? [] : [`${at}: ${roomOf(file)} may not import ${roomOf(to)}`]
    })
    return [...unknown, ...broken]
  })
}

function outsideOf(file: string, specifier: string): string[] {
  if (/^(backstep|#)/.test(specifier)) return ['inside src/ imports are relative']
  if (builtinModules.includes(specifier)) return ['write node: before it']
  if (roomOf(file) === 'core' && specifier.startsWith('node:')) return ['core does no I/O']
  return []
}

/** Every cycle among files, each once, as the list of its files. */
export function cycles(sources: Sources): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const walk = (file: string): void => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const next of neighbours(file, sources)) walk(next)
    path.pop()
    done.add(file)
  }
  for (const file of sources.keys()) walk(file)
  return found
}

function neighbours(file: string, sources: Sources, eagerOnly = false): string[] {
  return importsOf(file, sources.get(file) ?? '')
    .filter(({ eager }) => eager || !eagerOnly)
    .map(({ specifier }) => target(file, specifier))
    .filter((to) => to !== undefined && to !== file && sources.has(to)) as string[]
}

/** The packages and node: modules that loading `entry` loads with it, each with the file that asks for it. */
export function loadedBy(entry: string, sources: Sources): Map<string, string> {
  const packages = new Map<string, string>()
  const seen = new Set<string>()
  const walk = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const { specifier, eager } of importsOf(file, sources.get(file) ?? '')) {
      if (eager && !specifier.startsWith('.')) packages.set(specifier, file)
    }
    for (const next of neighbours(file, sources, true)) walk(next)
  }
  walk(entry)
  return packages
}

/** Members that tell the time, draw by chance or wait. */
const impureMembers = new Set([
  'Date.now',
  'Math.random',
  'performance.now',
  'process.hrtime',
  'process.uptime',
  'crypto.randomUUID',
  'crypto.getRandomValues',
  'AbortSignal.timeout',
])
const impureGlobals = new Set(['setTimeout', 'setInterval'])
const impureNames: Readonly<Record<string, RegExp>> = {
  'node:crypto': /^random/,
  'node:perf_hooks': /^performance$/,
  'node:timers': /./,
  'node:timers/promises': /./,
  uuidv7: /./,
}

/** Readings of time, chance or ids outside of `clocks`. */
export function impurities(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    if (file in clocks) return []
    const found: string[] = []
    visit(parse(file, text), (node) => {
      const what = impurity(node)
      if (what)
        found.push(`${file}:${lineOf(node)} ${what}: only runtime/clock.ts reads time, chance and ids`)
    })
    return found
  })
}

function impurity(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    const name = node.getText().replace(/^globalThis\./, '')
    return impureMembers.has(name) || impureGlobals.has(name) ? name : undefined
  }
  if (ts.isCallExpression(node) && impureGlobals.has(node.expression.getText()))
    return node.expression.getText()
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
    return 'new Date()'
  if (ts.isImportDeclaration(node)) return impureImport(node)
  return undefined
}

function impureImport(node: ts.ImportDeclaration): string | undefined {
  const from = (node.moduleSpecifier as ts.StringLiteral).text
  const names = impureNames[from]
  const bindings = node.importClause?.namedBindings
  if (!names || node.importClause?.isTypeOnly) return undefined
  if (!bindings || !ts.isNamedImports(bindings)) return `import of all of ${from}`
  const taken = bindings.elements.map((element) => (element.propertyName ?? element.name).text)
  return taken.find((name) => names.test(name))
}

export const longestFile = 450

/** Files without a block comment at their head, and files that are more than one room can hold. */
export function badFiles(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    const lines = text.split('\n').length - 1
    const body = text.replace(/^#!.*\n/, '')
    return [
      ...(/^\/\*\*?\s[\s\S]*?\w[\s\S]*?\*\//.test(body) ? [] : [`${file}: opens without a block comment`]),
      ...(lines > longestFile ? [`${file}: ${lines} lines, more than ${longestFile}`] : []),
    ]
  })
}
