/**
 * The wire contract of docs/participants.md, as tests that any participant must pass, in whatever language it is written. What is
 * tested is a service of flights: POST {"to":"LIS"} books and answers {"id":…,"to":"LIS"}, and refuses NOWHERE; DELETE releases and answers
 * {"released":1}; GET lists the destinations that are booked: ["LIS"].
 */
import { Orchestrator, Rejected, saga } from 'backstep'
import { expect, test } from 'vitest'
import { remote } from '#dist/remote/index.js'

export interface Running {
  readonly url: string
  /** SIGKILL, and up again over the same database. */
  restart(): Promise<string>
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

let sagas = 0
/** A saga of its own, for each test. */
const newSaga = (): string => `019a0000-0000-7000-8000-${String(++sagas).padStart(12, '0')}`

async function call(
  url: string,
  method: 'POST' | 'DELETE',
  headers: Record<string, string>,
  body?: unknown,
): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...sent,
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
}

const headersOf = (uid: string, direction: 'commit' | 'rollback', token = '1', round = '') => ({
  'idempotency-key': `${uid}:flight:${direction}${round}`,
  'x-backstep-commit-key': `${uid}:flight:commit`,
  'x-backstep-token': token,
})

const commit = (url: string, uid: string, to = 'LIS', token = '1') =>
  call(url, 'POST', headersOf(uid, 'commit', token), { to })
const rollback = (url: string, uid: string, token = '1', round = '') =>
  call(url, 'DELETE', headersOf(uid, 'rollback', token, round))

/** Declares the tests; `running` starts the participant on its first use. */
export function contract(running: () => Promise<Running>): void {
  const booked = async (url: string) => (await (await fetch(url)).json()) as string[]
  /** What a test adds to the bookings. */
  const change = async (work: (url: string) => Promise<void>) => {
    const { url } = await running()
    const before = await booked(url)
    await work(url)
    return (await booked(url)).length - before.length
  }

  test('a duplicate gets the stored answer, and has no effect', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      const first = await commit(url, uid)
      expect(first).toMatchObject({ status: 200, body: { to: 'LIS' } })
      expect(await commit(url, uid)).toEqual(first)
      expect(await commit(url, uid, 'LIS', '2')).toEqual(first)
    })
    expect(added).toBe(1)
  })

  test('a rollback undoes, once; a commit that comes after it is refused for good', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      await commit(url, uid)
      const first = await rollback(url, uid)
      expect(first).toEqual({ status: 200, body: { released: 1 } })
      expect(await rollback(url, uid)).toEqual(first)
      expect(await rollback(url, uid, '1', ':2')).toEqual(first)
      expect(await commit(url, uid)).toMatchObject({ status: 409 })
    })
    expect(added).toBe(0)
  })

  test('a rollback whose commit never came: nothing to undo, and the commit is refused from now on', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      expect((await rollback(url, uid)).status).toBe(204)
      expect((await commit(url, uid)).status).toBe(409)
      expect((await rollback(url, uid)).status).toBe(204)
    })
    expect(added).toBe(0)
  })

  test('a refusal leaves nothing behind: the same key may still commit', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      expect((await commit(url, uid, 'NOWHERE')).status).toBe(409)
      expect((await commit(url, uid)).status).toBe(200)
    })
    expect(added).toBe(1)
  })

  test('a superseded owner gets an answer that leaves its effect in doubt', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      await rollback(url, uid, '7')
      expect(await commit(url, uid, 'LIS', '6')).toMatchObject({ status: 500 })
      expect((await rollback(url, uid, '6')).status).toBe(500)
    })
    expect(added).toBe(0)
  })

  test('what is no call of a saga: 422, and nothing happens', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      const good = headersOf(uid, 'commit')
      for (const wrong of [
        { 'idempotency-key': 'order-7' },
        { 'idempotency-key': `${uid}:flight:rollback` },
        { 'idempotency-key': `${uid}:flight:commit:2` },
        { 'x-backstep-commit-key': `${uid}:hotel:commit` },
        { 'x-backstep-token': 'many' },
      ]) {
        expect((await call(url, 'POST', { ...good, ...wrong }, { to: 'LIS' })).status).toBe(422)
      }
      expect((await call(url, 'POST', {}, { to: 'LIS' })).status).toBe(422)
      expect((await call(url, 'DELETE', good)).status).toBe(422)
    })
    expect(added).toBe(0)
  })

  test('a body in chunks, as proxies may send it, is read, or refused with its connection', async () => {
    const added = await change(async (url) => {
      const body = new Blob([JSON.stringify({ to: 'LIS' })]).stream()
      const headers = { 'content-type': 'application/json', ...headersOf(newSaga(), 'commit') }
      const answer = await fetch(url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
      expect([200, 411]).toContain(answer.status)
      expect(await answer.json()).toMatchObject(answer.status === 200 ? { to: 'LIS' } : {})
      const uid = newSaga()
      expect((await commit(url, uid)).status).toBe(200)
      if (answer.status === 200) await rollback(url, uid)
    })
    expect(added).toBe(1)
  })

  test('duplicates and a rollback at the same time: one booking or none, and all answers agree', async () => {
    const added = await change(async (url) => {
      const uid = newSaga()
      const answers = await Promise.all(Array.from({ length: 12 }, () => commit(url, uid)))
      const stands = answers.filter(({ status }) => status === 200)
      expect(stands.length).toBeGreaterThan(0)
      for (const { body } of stands) expect(body).toEqual(stands[0]?.body)
      for (const { status } of answers) expect([200, 425, 503]).toContain(status)
      const late = newSaga()
      const [undone] = await Promise.all([
        rollback(url, late),
        ...Array.from({ length: 6 }, () => commit(url, late)),
      ])
      // 425: told to come again, since a commit was under way.
      if (![200, 204].includes(undone?.status ?? 0)) expect((await rollback(url, late)).status).toBe(200)
      expect((await commit(url, late)).status).toBe(409)
    })
    expect(added).toBe(1)
  })

  test('what was answered survives a kill', async () => {
    const uid = newSaga()
    const { url, restart } = await running()
    const first = await commit(url, uid)
    const again = await restart()
    expect(await commit(again, uid)).toEqual(first)
    expect((await rollback(again, uid)).status).toBe(200)
  })

  test('sagas book and take back through remote steps', async () => {
    const added = await change(async (url) => {
      const trip = saga<{ readonly to: string; readonly poor: boolean }>('trip', { keys: () => [] })
        .step(
          'flight',
          remote<{ id: number; to: string }>({
            commit: { url, body: { to: '{input.to}' } },
            rollback: { method: 'DELETE', url },
            retry: { attempts: 5, min: 10 },
            allow: [new URL(url).origin],
          }),
        )
        .step('payment', {
          commit: ({ input }) => {
            if (input.poor) throw new Rejected('declined')
          },
          rollback: () => {},
        })
      await using orchestrator = await Orchestrator.open('memory:', { log: false })
      const ends = Array.from({ length: 20 }, (_, index) =>
        orchestrator.run(trip, { to: index === 7 ? 'NOWHERE' : 'LIS', poor: index % 2 === 0 }).then(
          ({ flight }) => flight.to,
          (error: { reason?: string }) => error.reason,
        ),
      )
      expect((await Promise.all(ends)).filter((end) => end === 'LIS')).toHaveLength(9)
    })
    expect(added).toBe(9)
  })
}
