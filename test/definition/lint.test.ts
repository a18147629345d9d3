/** The lint: each mistake is refused when the definition is made, and the error names the step and the remedy. */
import { describe, expect, test } from 'vitest'
import { DefinitionError } from '#dist/core/errors.js'
import { anonymous, none, saga as typedSaga } from '#dist/definition/index.js'

/** As JavaScript sees it: the lint must hold where no compiler has looked. */
interface Loose {
  step(name: unknown, options: unknown): Loose
  parallel(members: unknown): Loose
  readonly plan: unknown
}
const saga = typedSaga as unknown as (name: unknown, options?: unknown, more?: unknown) => Loose

const commit = () => 1
const rollback = () => 1
const good = { commit, rollback }
const one = (name: unknown, options: unknown) => () => saga('trip').step(name, options)
const withStep = (options: object) => one('flight', { ...good, ...options })
const pastPivot = (options: object) => () =>
  saga('trip')
    .step('pay', { ...good, pivot: true })
    .step('mail', { ...good, ...options })

function errorOf(define: () => unknown): DefinitionError {
  try {
    define()
  } catch (error) {
    expect(error).toBeInstanceOf(DefinitionError)
    return error as DefinitionError
  }
  throw new Error('it was not refused')
}

type Mistake = [what: string, define: () => unknown, message: string, hint: string]

const names: Mistake[] = [
  ['no saga name', () => saga(undefined), "saga 'undefined': its name is undefined", 'a name is text'],
  ['an empty saga name', () => saga(''), "saga '': its name is empty", 'a name has 1 to 100'],
  ['signs in a saga name', () => saga('book trip!'), "its name 'book trip!' has signs", "write 'book-trip'"],
  [
    '__proto__ as a saga',
    () => saga('__proto__'),
    "its name '__proto__' is one that every object has",
    'choose another name',
  ],
  ['no step name', one(undefined, good), 'its name is undefined', 'a name is text'],
  ['a number as a name', one(5, good), 'its name is 5', 'a name is text'],
  ['an empty step name', one('', good), "saga 'trip', step '': its name is empty", 'a name has 1 to 100'],
  [
    '__proto__',
    one('__proto__', good),
    "step '__proto__': its name '__proto__' is one that every object has",
    'another name',
  ],
  [
    'constructor',
    one('constructor', good),
    "its name 'constructor' is one that every object has",
    'another name',
  ],
  ['prototype', one('prototype', good), "its name 'prototype' is one that every object has", 'another name'],
  ['toString', one('toString', good), "its name 'toString' is one that every object has", 'another name'],
  [
    'a name of 101 characters',
    one('a'.repeat(101), good),
    'its name has 101 characters',
    'a name has 1 to 100',
  ],
  [
    'a name of 1 MB',
    one('a'.repeat(1_048_576), good),
    'its name has 1048576 characters',
    'a name has 1 to 100',
  ],
  ['signs of a shape', one('a > b', good), "its name 'a > b' has signs", "write 'a-b'"],
  ['the sign of a pivot', one('pay!', good), "its name 'pay!' has signs", "write 'pay'"],
  ['NUL', one('a\0b', good), 'has signs', "write 'a-b'"],
  ['no letters at all', one('🙂', good), 'has signs', 'a name has 1 to 100'],
  ['a flag', one('--all', good), "its name '--all' has signs", "write 'all'"],
  [
    'two of a name',
    () => saga('trip').step('a', good).step('a', good),
    "step 'a': there is a step of this name already",
    'a name of its own',
  ],
  [
    'a name among the options',
    one('flight', { ...good, name: 'hotel' }),
    "have no 'name'",
    'there are commit',
  ],
  [
    'an odd name in a list',
    () => saga('trip', [{ ...good, name: '' }]),
    "step '': its name is empty",
    'a name has',
  ],
  [
    'two of a name, one in a group',
    () => saga('trip').step('a', good).parallel({ b: good, a: good }),
    "step 'a': there is a step of this name already",
    'a name of its own',
  ],
  [
    'two of a name in a list',
    () => saga('trip', [{ ...good, name: 'step-2' }, good]),
    "step 'step-2': there is a step of this name",
    'of its own',
  ],
]

const functions: Mistake[] = [
  [
    'no options',
    one('flight', undefined),
    'the options of a step must be an object, not undefined',
    'it may have commit, ',
  ],
  [
    'a function for options',
    one('flight', commit),
    'the options of a step must be an object, not a function',
    'it may have commit, ',
  ],
  [
    'a list for options',
    one('flight', [commit, rollback]),
    'must be an object, not a list',
    'it may have commit, ',
  ],
  [
    'no commit',
    one('flight', { rollback }),
    "saga 'trip', step 'flight': it has no commit",
    'write commit: ',
  ],
  [
    'a commit that is no function',
    withStep({ commit: 'book' }),
    "commit is 'book', not a function",
    'write commit: (context)',
  ],
  [
    'a commit that is null',
    withStep({ commit: null }),
    'commit is null, not a function',
    'write commit: (context)',
  ],
  [
    'no rollback',
    one('flight', { commit }),
    'it has no rollback',
    "rollback: none('why there is nothing to undo')",
  ],
  [
    'a rollback that is no function',
    withStep({ rollback: 5 }),
    'rollback is 5, not a function',
    'write rollback: (context)',
  ],
  [
    'a rollback that is null',
    withStep({ rollback: null }),
    'rollback is null, not a function',
    'write rollback: (context)',
  ],
  ['none without a reason', withStep({ rollback: none('') }), 'none() gives no reason', "none('read only')"],
  ['none with blanks', withStep({ rollback: none('  ') }), 'none() gives no reason', "none('read only')"],
  [
    'none with no text',
    withStep({ rollback: none(undefined as never) }),
    'none() gives no reason',
    "none('read only')",
  ],
  [
    'none itself',
    withStep({ rollback: none }),
    'rollback is none itself',
    "call it, with the reason: rollback: none('read only')",
  ],
  [
    'a verify that is no function',
    withStep({ verify: true }),
    'verify is true, not a function',
    'write verify: (context)',
  ],
  [
    'a when that is no function',
    withStep({ when: true }),
    'when is true, not a function',
    'write when: (context)',
  ],
  [
    'keys that are no function',
    () => saga('trip', { keys: ['a'] }),
    'keys is a list, not a function',
    'write keys: ',
  ],
]

const options: Mistake[] = [
  ['a typo', withStep({ comit: commit }), "the options of a step have no 'comit'", "did you mean 'commit'?"],
  [
    'a word of others',
    withStep({ compensate: rollback }),
    "have no 'compensate'",
    "did you mean 'rollback'?",
  ],
  ['no idea', withStep({ colour: 'red' }), "have no 'colour'", 'there are commit, rollback'],
  ['an option of an object', withStep({ hasOwnProperty: 1 }), "have no 'hasOwnProperty'", 'there are commit'],
  [
    'an unknown saga option',
    () => saga('trip', { timeot: 5 }),
    "saga 'trip': the options of a saga have no 'timeot'",
    'there are input, ',
  ],
  [
    'schema in place of input',
    () => saga('trip', { schema: {} }),
    "have no 'schema'",
    "did you mean 'input'?",
  ],
  [
    'saga options that are text',
    () => saga('trip', 'fast'),
    "must be an object, not 'fast'",
    'it may have input, ',
  ],
  [
    'an unknown retry option',
    withStep({ retry: { attempt: 3 } }),
    "the options 'retry' have no 'attempt'",
    "did you mean 'attempts'?",
  ],
  [
    'attempts for a rollback',
    withStep({ rollbackRetry: { attempts: 3 } }),
    "the options 'rollbackRetry' have no 'attempts'",
    'a rollback is tried until it succeeds',
  ],
  [
    'a number for retry',
    withStep({ retry: 3 }),
    "the options 'retry' must be an object, not 3",
    'it may have attempts',
  ],
  [
    'throws',
    withStep({ throws: 'indoubt' }),
    "throws is 'indoubt'",
    "write throws: 'rejected' or throws: 'in_doubt'",
  ],
  ['throws of a saga', () => saga('trip', { throws: false }), 'throws is false', "write throws: 'rejected'"],
  [
    'a schema that is none',
    () => saga('trip', { input: { type: 'object' } }),
    'input is an object, not a schema',
    'Standard Schema',
  ],
  [
    'a version that is a number',
    () => saga('trip', { version: 2 }),
    'version 2 is a number',
    "write version: '2'",
  ],
  [
    'an odd version',
    () => saga('trip', { version: '2 beta' }),
    "version '2 beta' is none",
    'a version is text',
  ],
  ['an empty version', () => saga('trip', { version: '' }), "version '' is none", 'a version is text'],
  [
    'stuck after 0 attempts',
    () => saga('trip', { stuck: { attempts: 0 } }),
    'stuck.attempts is 0',
    'whole number from 1',
  ],
  [
    'a stuck option',
    () => saga('trip', { stuck: { attemps: 5 } }),
    "the options 'stuck' have no 'attemps'",
    "did you mean 'attempts'?",
  ],
]

const durations: Mistake[] = [
  ['timeout 0', withStep({ timeout: 0 }), "step 'flight': timeout is 0", 'at least 1 ms'],
  ['a negative timeout', withStep({ timeout: -1 }), 'timeout is negative: -1', 'write a number of ms'],
  ['timeout NaN', withStep({ timeout: Number.NaN }), 'timeout is no duration: NaN', 'write a number of ms'],
  [
    'timeout Infinity',
    withStep({ timeout: Number.POSITIVE_INFINITY }),
    'timeout is too long: Infinity',
    '2^53-1 ms',
  ],
  ['an unknown unit', withStep({ timeout: '5 parsecs' }), 'timeout is no duration: "5 parsecs"', "'1.5s'"],
  ['no unit', withStep({ timeout: '5' }), 'timeout is no duration: "5"', "'1.5s'"],
  ['a timeout that is null', withStep({ timeout: null }), 'timeout is no duration: null', "'1.5s'"],
  ['a deadline', () => saga('trip', { deadline: 'soon' }), "saga 'trip': deadline is no duration", "'1.5s'"],
  ['deadline 0', () => saga('trip', { deadline: 0 }), 'deadline is 0', 'at least 1 ms'],
  [
    'stuck after nothing',
    () => saga('trip', { stuck: { after: '0s' } }),
    'stuck.after is 0',
    'at least 1 ms',
  ],
  ['min 0', withStep({ rollbackRetry: { min: 0 } }), 'rollbackRetry.min is 0', 'at least 1 ms'],
  ['max', withStep({ retry: { max: 'never' } }), 'retry.max is no duration', "'1.5s'"],
  [
    'min over max',
    withStep({ retry: { min: '2s', max: '1s' } }),
    'retry.min (2000 ms) is longer than retry.max (1000 ms)',
    'swap them',
  ],
  [
    'factor under 1',
    withStep({ rollbackRetry: { factor: 0.5 } }),
    'rollbackRetry.factor is 0.5',
    'a number from 1',
  ],
  ['factor NaN', withStep({ retry: { factor: Number.NaN } }), 'retry.factor is NaN', 'a number from 1'],
  [
    'an endless factor',
    withStep({ retry: { factor: Number.POSITIVE_INFINITY } }),
    'retry.factor is Infinity',
    'a number from 1',
  ],
  [
    'attempts 0',
    withStep({ retry: { attempts: 0 } }),
    'retry.attempts is 0',
    'a whole number from 1, or Infinity',
  ],
  [
    'half an attempt',
    withStep({ retry: { attempts: 1.5 } }),
    'retry.attempts is 1.5',
    'a whole number from 1, or Infinity',
  ],
  [
    'attempts as text',
    withStep({ retry: { attempts: '3' } }),
    "retry.attempts is '3'",
    'a whole number from 1, or Infinity',
  ],
]

const pivots: Mistake[] = [
  ['a second pivot', pastPivot({ pivot: true }), "step 'mail': it is a second pivot", 'keep the first'],
  [
    'a pivot in a group',
    () => saga('trip').parallel({ a: { ...good, pivot: true } }),
    "step 'a': a pivot cannot be in a parallel group",
    'a .step of its own',
  ],
  [
    'a pivot with a when',
    withStep({ pivot: true, when: () => true }),
    'a pivot cannot have a when',
    'another step',
  ],
  ['a pivot that is text', withStep({ pivot: 'yes' }), "pivot is 'yes'", 'write pivot: true'],
  [
    'a finite retry behind it',
    pastPivot({ retry: { attempts: 3 } }),
    'retry.attempts is 3 behind the pivot',
    'leave attempts out',
  ],
  [
    'a finite retry in a group behind it',
    () =>
      saga('trip')
        .step('pay', { ...good, pivot: true })
        .parallel({ mail: { ...good, retry: { attempts: 2 } } }),
    "step 'mail': retry.attempts is 2 behind the pivot",
    'leave attempts out',
  ],
]

const shapes: Mistake[] = [
  [
    'no steps',
    () => saga('trip').plan,
    "saga 'trip': it has no steps",
    ".step('name', { commit, rollback })",
  ],
  ['an empty list', () => saga('trip', []), "saga 'trip': it has no steps", ".step('name'"],
  ['an empty bare list', () => anonymous([]), 'it has no steps', ".step('name'"],
  [
    'an empty group',
    () => saga('trip').parallel({}),
    "saga 'trip': a parallel group has no steps",
    'remove it',
  ],
  [
    'a list for a group',
    () => saga('trip').parallel([good]),
    '.parallel takes an object, not a list',
    'write .parallel({',
  ],
  [
    'nothing for a group',
    () => saga('trip').parallel(undefined),
    '.parallel takes an object, not undefined',
    'write .parallel({',
  ],
  [
    'a list of nothing',
    () => saga('trip', [undefined]),
    "step 'step-1': the options of a step must be an object",
    'it may have',
  ],
  [
    'a list of functions',
    () => saga('trip', [commit]),
    "step 'step-1': the options of a step must be an object",
    'it may have',
  ],
]

describe.each([
  ['names', names],
  ['functions', functions],
  ['options', options],
  ['durations and counts', durations],
  ['the pivot', pivots],
  ['the shape', shapes],
])('%s', (_group, mistakes) => {
  test.each(mistakes)('%s', (_what, define, message, hint) => {
    const error = errorOf(define)
    expect(error.code).toBe('BAD_DEFINITION')
    expect(error.message.length).toBeLessThan(500)
    expect(error.message.split('\n')[0]).toContain(message)
    expect(error.hint).toContain(hint)
    expect(error.hint).not.toBe('')
  })
})

test('the error carries the name of the step', () => {
  expect(errorOf(withStep({ timeout: 0 })).step).toBe('flight')
  expect(errorOf(() => saga('trip', { deadline: 0 })).step).toBeUndefined()
})

test('a step that is refused leaves nothing behind', () => {
  const start = saga('trip').step('a', good)
  errorOf(() => start.parallel({ b: good, c: { commit } }))
  errorOf(() => start.parallel({ b: good, a: good }))
  expect(start.step('b', good).plan).toMatchObject({ shape: 'a > b' })
})

test('what is odd but right is taken', () => {
  for (const name of ['a', 'A.b_c-9', '_x', '9', 'a'.repeat(100), 'then', 'toJSON']) {
    expect(one(name, good)().plan).toMatchObject({ shape: name })
  }
  expect(withStep({ retry: { attempts: Number.POSITIVE_INFINITY } })().plan).toBeDefined()
  expect(pastPivot({ retry: { attempts: Number.POSITIVE_INFINITY, min: '1s' } })().plan).toBeDefined()
  expect(withStep({ timeout: 2 ** 53 - 1 })().plan).toMatchObject({ steps: [{ timeout: 2 ** 53 - 1 }] })
  expect(
    withStep({ timeout: undefined, when: undefined, retry: undefined, pivot: undefined })().plan,
  ).toBeDefined()
  expect(saga('trip', undefined).step('a', good).plan).toMatchObject({ version: '1' })
})
