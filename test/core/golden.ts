/**
 * Text that is kept in golden/ and compared letter by letter.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'

const folder = new URL('./golden/', import.meta.url)

/** Set BACKSTEP_UPDATE_GOLDEN=1 to write what the tests see, and read the difference before you commit it. */
export function expectGolden(name: string, text: string): void {
  const file = new URL(`${name}.txt`, folder)
  if (process.env['BACKSTEP_UPDATE_GOLDEN']) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, text)
  }
  const hint = `golden/${name}.txt differs; if the change is meant, rewrite it: BACKSTEP_UPDATE_GOLDEN=1 npx vitest run test/core`
  expect(text, hint).toBe(readFileSync(file, 'utf8'))
}
