/**
 * The JSON Schema of definition files, which is published with the package, and of steps that are sent with a submit.
 *
 * Invariants
 * - It says what the loader takes: the loader validates by it, and by nothing else until the lint of sagas and steps.
 * - The description of a field says how to write it: errors show it as the remedy.
 */
import { commitWords, rollbackWords } from './outcome.js'

const duration = {
  type: ['string', 'integer'],
  pattern: '^\\s*\\d{1,16}(\\.\\d{1,16})? ?(ms|s|m|h|d)\\s*$',
  minimum: 1,
  description: "write a duration such as '250ms', '1.5s', '2m', '1h', '1d', or a number of ms",
}

const object = (properties: Record<string, unknown>, required: string[], description: string) => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
  description,
})

const list = (items: unknown, description: string, least = 1) => ({
  type: 'array',
  minItems: least,
  items,
  description,
})

const name = {
  type: 'string',
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$',
  description: 'write 1 to 100 letters, digits, _ . or -, beginning with a letter, a digit or _',
}

const outcomes = (words: readonly string[]) => ({
  type: 'object',
  propertyNames: { pattern: '^[1-5](\\d\\d|xx)$' },
  additionalProperties: { enum: words, description: `write one of ${words.join(', ')}` },
  description: `write { '404': ${words[0]} }: what this participant means by a status such as '404', or a class such as '4xx'`,
})

const request = {
  method: {
    enum: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    description: 'write GET, POST, PUT, PATCH or DELETE',
  },
  url: {
    type: 'string',
    description:
      'write an address such as https://flights.example/bookings/{input.id}, its scheme, host and port as they are',
  },
  headers: {
    type: 'object',
    additionalProperties: { type: 'string', description: 'write a text, such as Bearer {env.FLIGHTS_TOKEN}' },
    description: 'write headers by name, such as { authorization: Bearer {env.FLIGHTS_TOKEN} }',
  },
  body: { description: 'write any JSON, whose texts may have placeholders such as {input.to}' },
}

const backoff = {
  min: duration,
  max: duration,
  factor: { type: 'number', minimum: 1, description: 'write a number from 1, such as 2' },
}

const attempts = { type: 'integer', minimum: 1, description: 'write a whole number from 1' }

const step = object(
  {
    name,
    commit: object(
      { ...request, outcomes: outcomes(commitWords) },
      ['url'],
      'write commit: { url: https://… }',
    ),
    rollback: {
      if: { type: 'object', properties: { none: {} }, required: ['none'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: object(
        { none: { type: 'string', minLength: 1, description: 'say why there is nothing to undo' } },
        ['none'],
        'write rollback: { none: read only }',
      ),
      else: object(
        { ...request, outcomes: outcomes(rollbackWords) },
        ['url'],
        'write rollback: { url: https://… }',
      ),
      description: 'write rollback: { url: https://… }, or rollback: { none: why there is nothing to undo }',
    },
    verify: object(request, ['url'], 'write verify: { url: https://… }'),
    timeout: duration,
    retry: object({ attempts, ...backoff }, [], 'write retry: { attempts: 3 }'),
    rollbackRetry: object(backoff, [], 'write rollbackRetry: { min: 1s, max: 5m }'),
    when: {
      type: 'object',
      minProperties: 1,
      description:
        'write when: { input.vip: true }: the step runs if each of these values is equal to what is named',
    },
    pivot: { type: 'boolean', description: 'write pivot: true' },
  },
  ['name', 'commit'],
  'write a step: { name, commit, rollback }',
)

const keys = list(
  { type: 'string', minLength: 1, description: "write a text such as 'account:{input.account}'" },
  "write keys: ['account:{input.account}'], or [] for none",
  0,
)

const steps = list(
  {
    if: { type: 'object', properties: { parallel: {} }, required: ['parallel'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: object(
      { parallel: list({ $ref: '#/$defs/step' }, 'write parallel: and a list of steps') },
      ['parallel'],
      'write { parallel: [ … ] }: a group is a position of its own',
    ),
    else: { $ref: '#/$defs/step' },
  },
  'write a list of steps, each { name, commit, rollback }, or { parallel: [ … ] }',
)

const saga = object(
  {
    name,
    version: { ...name, description: "write a text, in quotes if it is a number: version: '2'" },
    input: { type: ['object', 'boolean'], description: 'write a JSON Schema (2020-12) for the input' },
    keys,
    deadline: duration,
    stuck: object({ attempts, after: duration }, [], 'write stuck: { attempts: 10, after: 5m }'),
    steps,
  },
  ['name', 'steps'],
  'write a saga: { name, steps }',
)

const draft = 'https://json-schema.org/draft/2020-12/schema'
const $defs = { step }

/** Of a definition file. */
export const definitionSchema = {
  $schema: draft,
  title: 'Sagas of Backstep whose steps are HTTP requests',
  ...object(
    {
      $schema: { type: 'string' },
      allow: list(
        {
          type: 'string',
          description: "write an origin such as 'https://flights.example', or 'http://127.0.0.1:*'",
        },
        'write allow: and a list of the origins that the steps may go to',
        0,
      ),
      sagas: list(saga, 'write sagas: and a list of sagas'),
    },
    ['sagas'],
    'write sagas: and a list of sagas',
  ),
  $defs,
}

/** Of what is submitted with steps of its own. */
export const inlineSchema = {
  $schema: draft,
  ...object({ name, keys, steps, input: {} }, ['name', 'steps'], 'write { name, steps }'),
  $defs,
}
