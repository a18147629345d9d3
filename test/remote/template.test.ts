/** Templates, for any value: what is put into an address never leaves its place, and JSON stays what it was. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRequest } from '#dist/remote/compile.js'
import { defaultSetting } from '#dist/remote/setting.js'
import { compileBody, type Scope, Template, Unrenderable } from '#dist/remote/template.js'

const scopeOf = (input: unknown): Scope & { deadline: number } =>
  ({ input, outputs: {}, output: undefined, commitKey: 'k', attempt: 1 }) as never

const text = fc.string({ unit: 'binary' })
const odd = fc.oneof(text, fc.string({ unit: fc.constantFrom('.', '/', '\\', '%2e', 'a') }))

describe('for any text', () => {
  const request = compileRequest(
    { url: 'https://flights.example/a/{input.one}/b/{input.two}?q={input.three}&end' },
    ['url'],
    ['input'],
    'GET',
    defaultSetting,
    [],
  )
  const rendered = (input: object): URL | undefined => {
    try {
      return new URL(request.url.render(scopeOf(input), undefined as never) ?? '')
    } catch (error) {
      if (!(error instanceof Unrenderable)) throw error
      return undefined
    }
  }

  test('an address has the values where they were put, or there is none', () => {
    fc.assert(
      fc.property(odd, odd, text, (one, two, three) => {
        const url = rendered({ one, two, three })
        const cannot = [one, two].some(
          (value) => value === '' || value.split(/[/\\]/).some((part) => part === '.' || part === '..'),
        )
        expect(url === undefined).toBe(cannot)
        if (!url) return
        expect(url.origin).toBe('https://flights.example')
        const parts = url.pathname.split('/').map(decodeURIComponent)
        expect(parts).toEqual(['', 'a', one, 'b', two])
        expect([...url.searchParams.keys()]).toEqual(['q', 'end'])
        expect([url.searchParams.get('q'), url.hash]).toEqual([three, ''])
      }),
    )
  })

  test('text without signs of its own renders as it is, and doubled signs as one', () => {
    fc.assert(
      fc.property(text, (value) => {
        const template = Template.parse(
          value.replace(/[{}]/g, (sign) => sign + sign),
          { roots: ['input'] },
          [],
        )
        expect(template.render(scopeOf(undefined))).toBe(value)
      }),
    )
  })

  test('a template is refused or taken, and nothing else', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '{{',
      '}}',
      'input',
      'outputs',
      '.',
      '[',
      ']',
      '"',
      '0',
      '??',
      ' ',
      'a',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        try {
          Template.parse(parts.join(''), { roots: ['input'] }, [])
        } catch (error) {
          expect((error as Error).name).toBe('Flaw')
        }
      }),
    )
  })
})

test('JSON that has no placeholders stays what it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = JSON.parse(JSON.stringify(value)) as unknown
      const escaped = JSON.parse(JSON.stringify(plain), (_, member: unknown) =>
        typeof member === 'string' ? member.replace(/[{}]/g, (sign) => sign + sign) : member,
      ) as unknown
      expect(compileBody(escaped, { roots: ['input'] }, [])(scopeOf(undefined))).toEqual(plain)
    }),
  )
})
