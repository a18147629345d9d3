/**
 * Text on its way to a terminal: escaped, cut, broken, coloured, quoted.
 */
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clip, commandLine, jsonLine, paintFor, safe, shellWord, wrap } from '#dist/cli/terminal.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const driving = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/
const isWellFormed = (text: string) => Buffer.from(text).toString() === text
const anyText = () => fc.string({ unit: 'binary' })

describe('nothing that a saga holds can drive the terminal', () => {
  test('text is one line without control characters', () => {
    fc.assert(fc.property(anyText(), (text) => !driving.test(safe(text)) && isWellFormed(safe(text))))
    expect(safe('\u001b[2J\n\u009b1m\u202e\ud800')).toBe(String.raw`\u001b[2J\n\u009b1m\u202e\ud800`)
  })

  test('letters of all languages and emoji stay as they are', () => {
    const fine = 'Łódź 東京 👩‍👩‍👧 e\u0301'
    expect(safe(fine)).toBe(fine)
  })

  test('JSON means the same as before', () => {
    fc.assert(
      fc.property(fc.jsonValue(), anyText(), (value, text) => {
        const line = jsonLine({ value, text })
        expect(driving.test(line)).toBe(false)
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ value, text })))
      }),
    )
  })
})

test('wrapped text keeps every word and the width', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/)), fc.nat(12), (words, indent) => {
      const text = words.join(' ')
      const lines = wrap(text, 30, indent).split('\n')
      expect(lines.map((line) => line.trim()).join(' ')).toBe(text)
      for (const line of lines.slice(1)) expect(line.length).toBeLessThanOrEqual(30)
    }),
  )
  expect(wrap('a b', Number.POSITIVE_INFINITY)).toBe('a b')
})

test('a cut text has no half character', () => {
  expect(clip('🦊🦊🦊', 4)).toBe('🦊…')
  expect(clip('abc', 3)).toBe('abc')
})

test.each([
  ['a terminal', { isTTY: true }, {}, true],
  ['no terminal', {}, {}, false],
  ['NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR, which means nothing', { isTTY: true }, { NO_COLOR: '' }, true],
  ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }, false],
])('colours: %s', (_, stream, env, coloured) => {
  expect(paintFor(stream, env).red('x') !== 'x').toBe(coloured)
})

test('a quoted word reaches the command as it is', () => {
  const words = ['order-7', '🦊 ../x', "it's", '$(id)', '`id`', 'a;b', '!x', 'a\\b', '"', '*', '~', '']
  for (const word of words) {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word)
  }
})

test('an id that begins with a dash stands behind two dashes', () => {
  expect(commandLine('retry', ['order-7'], ['--store', 'x'])).toBe('backstep retry order-7 --store x')
  expect(commandLine('retry', ['-x'], ['--store', 'x'])).toBe('backstep retry --store x -- -x')
})
