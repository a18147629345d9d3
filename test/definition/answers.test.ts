/** What a step's functions may answer, told apart from outputs whatever they look like. */
import { describe, expect, test } from 'vitest'
import { BadInputError, InDoubt, isInDoubt } from '#dist/core/errors.js'
import { isPending, pending, readVerdict } from '#dist/definition/index.js'

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe('pending', () => {
  test('carries its wait in ms', () => {
    const answer = pending({ checkAfter: '30s' })
    expect(isPending(answer) && answer.checkAfter).toBe(30_000)
  })

  test('only what pending() made is pending', () => {
    for (const value of [
      undefined,
      null,
      'pending',
      { checkAfter: 5 },
      pending,
      revoked(),
      JSON.parse(JSON.stringify(pending({ checkAfter: 5 }))),
    ]) {
      expect(isPending(value)).toBe(false)
    }
  })

  test('a bad wait leaves the commit in doubt: it may have begun something', () => {
    for (const options of [{ checkAfter: 'soon' }, { checkAfter: -1 }, {}, undefined]) {
      let thrown: unknown
      try {
        pending(options as never)
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(InDoubt)
      expect(isInDoubt(thrown)).toBe(true)
      expect((thrown as Error).cause).toBeInstanceOf(BadInputError)
    }
  })
})

describe('readVerdict', () => {
  test.each([
    ['never', 'never'],
    ['unknown', 'unknown'],
    [{ committed: { id: 1 } }, { committed: { id: 1 } }],
    [{ committed: undefined }, { committed: undefined }],
    ['committed', undefined],
    [undefined, undefined],
    [null, undefined],
    [true, undefined],
    [{}, undefined],
  ])('%j is read as %j', (answer, verdict) => {
    expect(readVerdict(answer)).toEqual(verdict)
  })

  test('what throws when it is looked at is no verdict', () => {
    expect(readVerdict(revoked())).toBeUndefined()
  })
})
