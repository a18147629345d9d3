/**
 * Bodies: what is kept as it is, and what is refused because it could not be.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Service } from './fixture.js'

let service: Service
beforeAll(async () => {
  service = await Service.start()
})
afterAll(() => service.stop())

const submit = (input: string) => {
  const raw = `{"definition": "trip", "input": {"it": ${input}}}`
  return service.call('/v1/sagas', { raw, headers: { 'Content-Type': 'application/json' } })
}

test.each([
  '9007199254740993',
  '-9007199254740993',
  '18446744073709551615',
  '[1, {"a": 12345678901234567890}]',
])('%s would become another number: refused', async (input) => {
  const { status, body } = await submit(input)
  expect([status, body.code]).toEqual([400, 'BAD_INPUT'])
  expect(body.detail).toMatch(/^the whole number at position \d+ has more digits than can be kept$/)
  expect(body.hint).toBe('send it as a text')
})

test.each([
  '9007199254740991',
  '-9007199254740991',
  '10000000000000000',
  '"9007199254740993"',
  '{"9007199254740993": "\\"9007199254740993"}',
  '[1, 23, 456]',
  '0.1234567890123456789',
  '1.5e300',
  '-12E-5',
  '1234567890123456.5',
])('%s is kept', async (input) => {
  const { status, body } = await submit(input)
  expect([status, body.input]).toEqual([201, { it: JSON.parse(input) }])
})

test.each(['1-', '--1', '1.', '01', '1e', '.5', '+1', '12345678901234567890x'])(
  '%s is no JSON',
  async (input) => {
    const { status } = await submit(input)
    expect(status).toBe(400)
  },
)
