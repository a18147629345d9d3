/**
 * Definition files: what they make, and every mistake by file, line, column and remedy.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type DefinitionError, Orchestrator } from 'backstep'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { definitionSchema, loadDefinitions, parseDefinitions } from '#dist/remote/index.js'
import { afterwards, recorder } from './support.js'

const trips = (origin = 'https://flights.example') => `
allow:
  - ${origin}
sagas:
  - name: book-trip
    version: '2'
    keys: ['traveller:{input.name}']
    deadline: 10m
    stuck: { attempts: 5, after: 1m }
    input:
      type: object
      required: [name, to]
      properties: { name: { type: string, minLength: 1 }, to: { type: string }, vip: { type: boolean } }
      additionalProperties: false
    steps:
      - name: flight
        commit:
          url: ${origin}/flights
          headers: { authorization: 'Bearer {env.BACKSTEP_TEST_TOKEN}' }
          body: { to: '{input.to}', for: '{input.name}' }
        rollback: { method: DELETE, url: '${origin}/flights/{output.id ?? commitKey}', outcomes: { '404': done } }
        verify: { url: '${origin}/flights/{commitKey}' }
        timeout: 2s
        retry: { attempts: 3, min: 200ms, max: 5s, factor: 3 }
        rollbackRetry: { max: 10s }
      - parallel:
          - name: hotel
            commit: { url: '${origin}/hotels' }
            rollback: { url: '${origin}/hotels/undo' }
          - name: lounge
            when: { input.vip: true }
            commit: { url: '${origin}/lounges' }
            rollback: { none: 'it costs nothing' }
      - name: payment
        pivot: true
        commit: { url: '${origin}/payments', body: { flight: '{outputs.flight.id}' } }
        rollback: { url: '${origin}/payments/undo' }
      - name: mail
        commit: { url: '${origin}/mails' }
`

describe('what a file makes', () => {
  test('shape and policies are those that it names, the rest is as in TypeScript', () => {
    const [definition, ...others] = parseDefinitions(trips())
    expect(others).toEqual([])
    expect(definition?.plan).toMatchObject({
      name: 'book-trip',
      version: '2',
      shape: 'flight > hotel | lounge > payment! > mail',
      stuck: { attempts: 5, after: 60_000 },
      steps: [
        {
          timeout: 2_000,
          retry: { attempts: 3, min: 200, max: 5_000, factor: 3 },
          rollbackRetry: { min: 100, max: 10_000, factor: 2 },
          hasVerify: true,
        },
        { timeout: 30_000, retry: { attempts: 1 }, conditional: false },
        { hasRollback: false, conditional: true },
        { pivot: true },
        { hasRollback: false, retry: { attempts: Number.POSITIVE_INFINITY } },
      ],
    })
    expect(definition?.deadline).toBe(600_000)
    expect(definition?.keys?.({ name: 'ada' } as never)).toEqual(['traveller:ada'])
    expect(() => definition?.keys?.({} as never)).toThrow('{input.name} is absent')
  })

  test('JSON is as good as YAML, and a file as good as its text', () => {
    const folder = mkdtempSync(join(tmpdir(), 'backstep-file-'))
    afterwards(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'trips.json')
    writeFileSync(file, JSON.stringify(parse(trips()), null, 2))
    expect(loadDefinitions(file)[0]?.plan).toEqual(parseDefinitions(trips())[0]?.plan)
    expect(() => loadDefinitions(join(folder, 'none.yaml'))).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    )
  })

  test('it runs: conditions, outputs, the environment in headers, nothing for steps that are left out', async () => {
    const { url, requests } = await recorder(({ url: path }) => ({ body: { id: `made at ${path}` } }))
    process.env.BACKSTEP_TEST_TOKEN = 't-1'
    afterwards(() => delete process.env.BACKSTEP_TEST_TOKEN)
    const sagas = parseDefinitions(trips(url))
    await using orchestrator = await Orchestrator.open('memory:', { log: false, sagas })
    const [definition] = sagas as [(typeof sagas)[number]]
    const outputs = await orchestrator.run(definition, { name: 'ada', to: 'LIS' })
    expect(Object.keys(outputs as object)).toEqual(['flight', 'hotel', 'payment', 'mail'])
    expect(requests.map((request) => [request.url, request.body])).toEqual([
      ['/flights', '{"to":"LIS","for":"ada"}'],
      ['/hotels', '{"name":"ada","to":"LIS"}'],
      ['/payments', '{"flight":"made at /flights"}'],
      ['/mails', '{"name":"ada","to":"LIS"}'],
    ])
    expect(requests[0]?.headers.authorization).toBe('Bearer t-1')
    expect(
      Object.keys((await orchestrator.run(definition, { name: 'eve', to: 'LIS', vip: true })) as object),
    ).toContain('lounge')
  })

  test('input is held to its schema, by the path of what is wrong', async () => {
    const sagas = parseDefinitions(trips())
    await using orchestrator = await Orchestrator.open('memory:', { log: false, sagas, work: false })
    const submit = (input: unknown) => orchestrator.submit(sagas[0] as never, input as never)
    await expect(submit({ name: '' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringMatching(
        /input: must have required property 'to'; input\.name: must NOT have fewer/,
      ),
    })
    await expect(submit({ name: 'a', to: 'b', cabin: 1 })).rejects.toThrow('must not have the field cabin')
  })

  test('an allow-list of the caller goes before that of the file', () => {
    expect(() => parseDefinitions(trips(), 'a.yaml', { allow: ['https://other.example'] })).toThrow(
      'https://flights.example is not on the allow-list',
    )
  })
})

describe('mistakes are told by file, line, column and remedy', () => {
  /** The file with one line replaced, and where the mistake is told. */
  const mistake = (from: string, to: string): DefinitionError => {
    const text = trips().replace(from, to)
    expect(text).not.toBe(trips())
    try {
      parseDefinitions(text, 'trips.yaml')
    } catch (error) {
      expect(error).toMatchObject({ name: 'DefinitionError', code: 'BAD_DEFINITION' })
      return error as DefinitionError
    }
    throw new Error('it was taken')
  }

  test.each([
    [
      'deadline: 10m',
      'deadlin: 10m',
      "8:5: sagas[0].deadlin: there is no field 'deadlin' here",
      "did you mean 'deadline'?",
    ],
    [
      'deadline: 10m',
      'deadline: soon',
      "8:5: sagas[0].deadline: 'soon' cannot be",
      "write a duration such as '250ms'",
    ],
    ["version: '2'", 'version: 2', '6:5: sagas[0].version is 2', "version: '2'"],
    ['- name: mail', '- nmae: mail', '38:9: sagas[0].steps[3].name is missing', 'write 1 to 100 letters'],
    ['timeout: 2s', 'timeout: -1', '23:9: sagas[0].steps[0].timeout: must be >= 1', 'write a duration'],
    [
      'attempts: 3',
      'attempts: many',
      "24:18: sagas[0].steps[0].retry.attempts is 'many'",
      'write a whole number from 1',
    ],
    [
      'method: DELETE',
      'method: ERASE',
      "21:21: sagas[0].steps[0].rollback.method: 'ERASE' cannot be",
      'write GET, POST',
    ],
    [
      "'404': done",
      "'404': rejected",
      "sagas[0].steps[0].rollback.outcomes[404]: 'rejected' cannot be",
      'write one of done',
    ],
    [
      '{input.to}',
      '{inputs.to}',
      '20:19: sagas[0].steps[0].commit.body.to: unknown placeholder {inputs.to}',
      'did you mean {input.to}?',
    ],
    [
      '{output.id ?? commitKey}',
      '{output.id}',
      '21:37: sagas[0].steps[0].rollback.url: {output.id} is absent',
      'write {output.id ?? commitKey}',
    ],
    [
      '{input.name}',
      '{outputs.name}',
      '7:12: sagas[0].keys[0]: unknown placeholder {outputs.name}',
      'known are input',
    ],
    [
      'input.vip:',
      'vip:',
      'sagas[0].steps[1].parallel[1].when.vip: unknown placeholder {vip}',
      'known are input, outputs',
    ],
    [
      'url: https://flights.example/flights\n',
      'url: https://evil.example/\n',
      '18:11: sagas[0].steps[0].commit.url: https://evil.example is not on the allow-list',
      'allow:',
    ],
    ['  - https://flights.example', '  - flights', '3:5: allow[0]: ', 'write an origin'],
    ['name: hotel', 'name: lounge', "there is a step 'lounge' already", 'a name of its own'],
    [
      'name: mail',
      'name: flight',
      "sagas[0].steps[3]: saga 'book-trip', step 'flight': there is a step of this name already",
      'a name of its own',
    ],
    ['type: object', 'type: objekt', '10:5: sagas[0].input is no JSON Schema', 'draft 2020-12'],
    ['    steps:', '    step:', 'sagas[0].steps is missing', 'write a list of steps'],
    [
      "rollback: { none: 'it costs nothing' }",
      'timeout: 1s',
      'sagas[0].steps[1].parallel[1].rollback is missing',
      'none: why',
    ],
    ['pivot: true', 'pivot: maybe', "sagas[0].steps[2].pivot is 'maybe'", 'write pivot: true'],
    ['allow:', 'allow: [', '', 'mend the YAML'],
    ['sagas:', 'saga:', 'is missing', 'write sagas: and a list of sagas'],
  ])('%s → %s', (from, to, message, remedy) => {
    const error = mistake(from, to)
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/^trips\.yaml:\d+:\d+: /)
    expect(error.hint).toContain(remedy)
  })

  test.each(['', '[]', '7', 'sagas: 7', 'sagas: []', '{"sagas":[{"name":"a","steps":[]}]}'])('%j', (text) => {
    expect(() => parseDefinitions(text)).toThrow(/^definitions:1:\d+: /)
  })

  test.each([
    [
      '{outputs.flight.id}',
      '{outputs.fligth.id}',
      "36:68: sagas[0].steps[2].commit.body.flight: {outputs.fligth.id}: no step before this one is called 'fligth'",
      "did you mean 'flight'?",
    ],
    [
      '{outputs.flight.id}',
      '{outputs.payment.id}',
      "no step before this one is called 'payment'",
      'there are',
    ],
    [
      'input.vip: true',
      'outputs.hotel.ok: true',
      "no step before this one is called 'hotel'",
      'there are flight',
    ],
    ['{output.id ??', '{outputs.flight.id ??', "no step before this one is called 'flight'", 'there is none'],
    ['name: lounge', 'name: __proto__', "its name '__proto__' is one that every object has", 'another name'],
    ['timeout: 2s', 'timeout: !seconds 2s', 'Unresolved tag: !seconds', 'mend the YAML'],
    ['for:', 'n: .nan, for:', 'sagas[0].steps[0].commit.body: body.n is NaN', 'plain JSON'],
    [
      'for:',
      'n: 12345678901234567890, for:',
      '20:40: 12345678901234567890 is too large to be exact',
      'in quotes',
    ],
    ['pivot: true', '? { pivot: true }\n        : 1', 'a name is no text', 'before the colon'],
    ["'{input.to}'", '{input.to}', '20:23: {input.to} is no text without quotes', "write '{input.to}'"],
    ['body: { to:', 'body: &b { self: *b, to:', 'body.self', 'plain JSON'],
    ['type: object', '$async: true', 'sagas[0].input is asynchronous', 'leave $async out'],
  ])('%s → %s', (from, to, message, remedy) => {
    const error = mistake(from, to)
    expect(error.message).toContain(message)
    expect(error.message).toMatch(/^trips\.yaml:\d+:\d+: /)
    expect(error.hint).toContain(remedy)
  })

  test('two sagas of one name and version', () => {
    const { sagas } = parse(trips())
    const twice = stringify({ sagas: [sagas[0], { ...sagas[0], version: '3' }, sagas[0]] })
    expect(() => parseDefinitions(twice)).toThrow('there is a saga book-trip@2 already')
  })

  test('aliases that multiply', () => {
    const lines = Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)
    expect(() => parseDefinitions(['a0: &a0 [x]', ...lines].join('\n'))).toThrow('there are 100 at most')
  })
})

test('the schema is one, and says the same as the loader', () => {
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(definitionSchema)
  expect(validate(parse(trips()))).toBe(true)
  expect(validate({ sagas: [{ name: 'a', steps: [{ name: 'b', commit: {} }] }] })).toBe(false)
  expect(JSON.parse(JSON.stringify(definitionSchema))).toEqual(definitionSchema)
})
