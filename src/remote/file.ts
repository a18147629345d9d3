/**
 * Definition files: sagas whose steps are HTTP requests, in YAML or JSON.
 *
 * Invariants
 * - Every mistake is told with file, line and column, what is wrong, and what to write instead; before any saga runs.
 * - Reading a file runs nothing of it: no tags, no code; aliases are counted.
 */
import { readFileSync } from 'node:fs'
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { DefinitionError } from '../core/errors.js'
import { isRounded } from '../core/json.js'
import type { Definition } from '../definition/index.js'
import { buildSaga, compileKeys, makeStep, type SagaFile } from './build.js'
import { checkBy } from './check.js'
import { Flaw, type Path, pathText, sentence } from './flaw.js'
import { AllowList } from './policy.js'
import { definitionSchema } from './schema.js'
import { defaultSetting, type Setting } from './setting.js'

const check = checkBy(definitionSchema)

export interface DefinitionOptions {
  /** The only origins that steps may go to, whatever the file says. Default: what it says in `allow`; else any that is out in the world. */
  readonly allow?: readonly string[]
}

/**
 * The definitions of a file.
 *
 * @example await Orchestrator.open('sqlite:trips.db', { sagas: loadDefinitions('trips.yaml') })
 * @throws DefinitionError (`BAD_DEFINITION`) with file, line and column; the error of the file system as it is
 */
export function loadDefinitions(path: string | URL, options: DefinitionOptions = {}): Definition[] {
  return parseDefinitions(readFileSync(path, 'utf8'), String(path), options)
}

/** The same of a text; `name` is what its errors call it. */
export function parseDefinitions(
  text: string,
  name = 'definitions',
  options: DefinitionOptions = {},
): Definition[] {
  const source = new Source(text, name)
  return source.located(() => definitionsOf(source.value(), options))
}

interface FileContent {
  readonly allow?: readonly string[]
  readonly sagas: readonly SagaFile[]
}

function definitionsOf(content: unknown, { allow }: DefinitionOptions): Definition[] {
  check(content)
  const file = content as FileContent
  const setting: Setting = {
    ...defaultSetting,
    allow: AllowList.parse(allow ?? file.allow, ['allow']),
    readsEnvironment: true,
  }
  const names = new Set<string>()
  return file.sagas.map((one, index) => {
    const path = ['sagas', index]
    const id = `${one.name}@${one.version ?? '1'}`
    if (names.has(id))
      throw new Flaw(
        [...path, 'name'],
        `there is a saga ${id} already`,
        'give one of them another name or version',
      )
    names.add(id)
    const keys = one.keys === undefined ? {} : { keys: compileKeys(one.keys, [...path, 'keys']) }
    return buildSaga(one, makeStep(setting), keys, path)
  })
}

/** A text whose values know their place. */
class Source {
  readonly #name: string
  readonly #lines = new LineCounter()
  readonly #document: ReturnType<typeof parseDocument>

  constructor(text: string, name: string) {
    this.#name = name
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
  }

  /** Throws DefinitionError for what is no YAML. */
  value(): unknown {
    // A warning is a tag that nobody knows: the value would be taken without it.
    const [error] = [...this.#document.errors, ...this.#document.warnings]
    if (error)
      throw this.#error(
        error.pos[0],
        error.message,
        'mend the YAML (or JSON) there; a text with braces needs quotes',
      )
    this.#refuseMisread()
    try {
      return this.#document.toJS()
    } catch (cause) {
      throw this.#error(0, (cause as Error).message, 'an alias follows its anchor, and there are 100 at most')
    }
  }

  /** What YAML reads otherwise than it is meant. */
  #refuseMisread(): void {
    visit(this.#document, {
      Scalar: (_, { value, source = '', range }) => {
        if (typeof value !== 'number' || !isRounded(source)) return
        throw this.#error(
          range?.[0] ?? 0,
          `${source} is too large to be exact`,
          'write it as a text, in quotes',
        )
      },
      Map: (_, { flow, items, range }) => {
        const odd = items.find(({ key }) => !isScalar(key))
        if (odd)
          throw this.#error(
            startOf(odd.key, range?.[0]),
            'a name is no text',
            'write a text before the colon',
          )
        const [pair] = items
        if (!flow || items.length !== 1 || pair?.value !== null) return
        const text = `{${String(pair.key)}}`
        throw this.#error(range?.[0] ?? 0, `${text} is no text without quotes`, `write '${text}'`)
      },
    })
  }

  located<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof Flaw)) throw error
      const where = error.path.length === 0 ? 'the file' : pathText(error.path)
      throw this.#error(this.#offsetOf(error.path), sentence(where, error.message), error.hint)
    }
  }

  #error(offset: number, message: string, hint: string): DefinitionError {
    const { line, col } = this.#lines.linePos(offset)
    return new DefinitionError(`${this.#name}:${line}:${col}: ${message}`, hint)
  }

  /** Of the value, or of its name; of the nearest thing that holds it where it is not there. */
  #offsetOf(path: Path): number {
    let node: unknown = this.#document.contents
    let offset = startOf(node)
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
        if (!pair) return offset
        offset = startOf(pair.key, offset)
      }
      node =
        isNode(node) && 'get' in node
          ? (node as { get(key: unknown, keep: true): unknown }).get(part, true)
          : undefined
      if (typeof part === 'number') offset = startOf(node, offset)
    }
    return offset
  }
}

const startOf = (node: unknown, otherwise = 0): number =>
  isNode(node) ? ((node as Node).range?.[0] ?? otherwise) : otherwise
