/** A long saga still compiles, soon: its outputs must not be put together anew at each step. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'backstep-types-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const definitions = fileURLToPath(new URL('../../dist/definition/index.js', import.meta.url))

function sourceOf(steps: number, wrong = ''): string {
  const chain = Array.from({ length: steps }, (_, index) => {
    const before = index === 0 ? '' : `, before: outputs.s${index - 1}.id`
    const commit = `commit: async ({ input, outputs }) => ({ id: ${index}, from: input.from${before} })`
    return `  .step('s${index}', { ${commit}, rollback: ({ output }) => output?.id })`
  })
  return [
    `import { type OutputsOf, saga } from ${JSON.stringify(definitions)}`,
    "export const long = saga<{ from: string }>('long')",
    ...chain,
    'export const sum = (outputs: OutputsOf<typeof long>): number =>',
    `  outputs.s0.id + outputs.s${steps - 1}.before${wrong}`,
  ].join('\n')
}

function compile(source: string): { errors: string[]; instantiations: number; seconds: number } {
  const file = join(folder, 'long.mts')
  writeFileSync(file, source)
  const started = performance.now()
  const program = ts.createProgram([file], {
    strict: true,
    declaration: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    types: [],
  })
  const diagnostics = [...ts.getPreEmitDiagnostics(program), ...program.emit(undefined, () => {}).diagnostics]
  return {
    errors: diagnostics.map((diagnostic) => ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')),
    instantiations: program.getInstantiationCount(),
    seconds: (performance.now() - started) / 1_000,
  }
}

describe('a saga of 150 steps', () => {
  test('compiles, with its declarations, in bounded work', () => {
    const { errors, instantiations, seconds } = compile(sourceOf(150))
    expect(errors).toEqual([])
    // Measured: 260,000 and 3 s. The count is exact on every machine; the time is for one that is busy.
    expect(instantiations).toBeLessThan(500_000)
    expect(seconds).toBeLessThan(60)
  })

  test('and the compiler still looks at it', () => {
    expect(compile(sourceOf(10, '.nothing')).errors).toEqual([
      "Property 'nothing' does not exist on type 'number'.",
    ])
  })
})
