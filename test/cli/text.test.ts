/**
 * Texts of states that are rare in a process but must read well: late, skipped, cut off, past the pivot; at 80 columns.
 */
import type { Entry, JournalEntry, SagaView, StepView } from 'backstep'
import { createColors } from 'picocolors'
import { expect, test } from 'vitest'
import { journalText } from '#dist/cli/journal.js'
import { drawn, type Looked } from '#dist/cli/saga-text.js'
import { why } from '#dist/runtime/why.js'
import { normalised } from './processes.js'

const screen = { paint: createColors(false), width: 80 }
const now = Date.UTC(2026, 10, 22, 21, 40)
const owner = '4321@web-1/0199'

const error = {
  name: 'HotelError',
  message: `the hotel answers 503, and says at length why: ${'the night porter is asleep, '.repeat(5)}good night`,
  code: 'HOTEL_DOWN',
}

const step = (name: string, position: number, change: Partial<StepView> = {}): StepView => ({
  name,
  position,
  pivot: false,
  commit: 'idle',
  rollback: 'idle',
  commitAttempts: 0,
  rollbackAttempts: 0,
  round: 1,
  inDoubt: false,
  stuck: false,
  ...change,
})

const saga = (change: Partial<SagaView>): SagaView => ({
  id: 'order-7',
  name: 'book-trip',
  version: '2',
  status: 'running',
  stuck: false,
  blocked: false,
  late: false,
  submittedAt: now - 200_000,
  endedAt: null,
  dueAt: null,
  owner: null,
  cursor: '7',
  input: { from: 'OSL', to: 'LIS', notes: 'x'.repeat(200) },
  keys: null,
  shape: '',
  deadline: null,
  seq: 0,
  steps: [],
  outputs: {},
  wayBack: null,
  waitsFor: [],
  ...change,
})

function looked(view: SagaView, isRun: boolean, entries: readonly Entry[] = []): Looked {
  const journal: JournalEntry[] = entries.map((entry, seq) => ({ ...entry, seq, at: now - 60_000 }))
  return { saga: view, journal, isRun, now, why: why(view, now) }
}

const fits = (text: string): void => {
  expect(Math.max(...text.split('\n').map((line) => [...line].length))).toBeLessThanOrEqual(80)
}

test('going back again, with a long error, side by side', async () => {
  const view = saga({
    status: 'rolling_back',
    stuck: true,
    late: true,
    wayBack: { reason: 'cancelled', message: 'the customer called', actor: 'ada' },
    steps: [
      step('flight', 0, { commit: 'committed', commitAttempts: 1, output: { id: 'F-1' } }),
      step('hotel', 1, {
        commit: 'failed',
        inDoubt: true,
        commitAttempts: 2,
        rollback: 'waiting',
        rollbackAttempts: 14,
        round: 2,
        stuck: true,
        error,
        nextAt: now + 41_000,
      }),
      step('car', 1, { commit: 'skipped' }),
      step('a-step-whose-name-is-rather-long', 2, {
        commit: 'committed',
        commitAttempts: 3,
        rollback: 'done',
        rollbackAttempts: 2,
      }),
      step('payment', 3, { commit: 'failed', commitAttempts: 1, error: { name: 'Rejected', message: 'no' } }),
    ],
  })
  const entries: Entry[] = [
    { type: 'rolling_back', reason: 'cancelled', message: 'the customer called', actor: 'ada' },
    { type: 'retry_requested', actor: 'bob' },
    { type: 'rebound', version: '2', shape: '' },
  ]
  const text = drawn(looked(view, false, entries), screen)
  fits(text)
  await expect(normalised(text)).toMatchFileSnapshot('golden/text-late.txt')
})

test('past the pivot; and the same once its process has died', async () => {
  const view = saga({
    owner,
    keys: ['account:42'],
    deadline: now + 60_000,
    steps: [
      step('payment', 0, { commit: 'committed', commitAttempts: 1, pivot: true }),
      step('ticket', 1, { commit: 'open', commitAttempts: 4, since: now - 2_000 }),
    ],
  })
  const [runs, died] = [drawn(looked(view, true), screen), drawn(looked(view, false), screen)]
  fits(runs)
  fits(died)
  await expect(normalised(`${runs}\n\n---\n\n${died}`)).toMatchFileSnapshot('golden/text-pivot.txt')
})

test('settled by hand, and nothing to roll back', async () => {
  const view = saga({
    status: 'rolled_back',
    endedAt: now,
    wayBack: { reason: 'deadline' },
    steps: [
      step('look', 0, { commit: 'committed', commitAttempts: 1 }),
      step('hotel', 1, { commit: 'committed', commitAttempts: 1, rollback: 'done', rollbackAttempts: 9 }),
    ],
  })
  const entries: Entry[] = [
    { type: 'resolved', step: 'hotel', as: 'rolled_back', reason: 'by phone', actor: 'ada' },
  ]
  await expect(normalised(drawn(looked(view, false, entries), screen))).toMatchFileSnapshot(
    'golden/text-by-hand.txt',
  )
})

/** One of each, so that a new type of entry cannot be forgotten. */
const oneOfEach: { readonly [Type in Entry['type']]: Extract<Entry, { type: Type }> } = {
  submitted: {
    type: 'submitted',
    uid: 'u',
    input: { trip: 'x'.repeat(300) },
    keys: null,
    deadline: now + 9_000,
  },
  skipped: { type: 'skipped', step: 'car' },
  started: { type: 'started', step: 'hotel', direction: 'rollback', attempt: 3, round: 2, since: now + 50 },
  committed: { type: 'committed', step: 'hotel', attempt: 1, output: { id: 7 }, overdue: true },
  failed: {
    type: 'failed',
    step: 'hotel',
    direction: 'rollback',
    attempt: 12,
    round: 2,
    outcome: 'in_doubt',
    cause: 'timeout',
    failures: 12,
    used: 12,
    crashes: 2,
    doubt: true,
    since: now + 1_000,
    error,
    nextAt: now + 4_000_000,
    stuck: true,
  },
  pending: { type: 'pending', step: 'hotel', attempt: 1, polls: 2, nextAt: now + 30_000 },
  verified: { type: 'verified', step: 'hotel', answer: 'unknown', error: { name: 'Error', message: 'who?' } },
  rolling_back: { type: 'rolling_back', reason: 'in_doubt', step: 'hotel' },
  rolled_back: { type: 'rolled_back', step: 'hotel', attempt: 3, round: 2 },
  late: { type: 'late', step: 'hotel', attempt: 1, output: { id: 7 } },
  retry_requested: { type: 'retry_requested' },
  resolved: { type: 'resolved', step: 'hotel', as: 'committed', output: 1, reason: 'by fax', actor: 'ada' },
  rebound: { type: 'rebound', version: '3', shape: '', actor: 'ada' },
  deadline_passed: { type: 'deadline_passed' },
  ended: { type: 'ended', status: 'committed' },
}

test('the journal: an entry of each type', async () => {
  const entries = Object.values(oneOfEach)
  const journal: JournalEntry[] = entries.map((entry, i) => ({
    ...entry,
    seq: Math.floor(i / 2),
    at: now + 1_000 * Math.floor(i / 2),
  }))
  const text = journalText(journal, screen)
  fits(text)
  await expect(text).toMatchFileSnapshot('golden/text-journal.txt')
})
