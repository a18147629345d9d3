/**
 * The checker itself: each promise broken by hand, and found.
 */
import type { JournalEntry, SagaView } from 'backstep'
import { describe, expect, test } from 'vitest'
import { judge, type LedgerLine, type LedgerOutcome, overlaps, standing } from './ledger.js'

type Short = readonly [step: string, outcome: LedgerOutcome, more?: Partial<LedgerLine>]

function lines(...shorts: readonly Short[]): LedgerLine[] {
  const calls = new Map<string, number>()
  let direction: 'commit' | 'rollback' = 'commit'
  return shorts.map(([step, outcome, more = {}]) => {
    if (outcome === 'begun') direction = more.direction ?? 'commit'
    const what = `${direction} ${step}`
    if (outcome === 'begun') calls.set(what, (calls.get(what) ?? 0) + 1)
    const attempt = calls.get(what) ?? 1
    return {
      saga: 'a',
      step,
      direction,
      attempt,
      key: `u:${step}:${direction}`,
      token: 1,
      pid: 1,
      outcome,
      ...more,
    }
  })
}

const back = { direction: 'rollback' } as const

function witness(status: 'committed' | 'rolled_back', given: LedgerLine[], journal: readonly object[] = []) {
  const steps = ['one', 'two'].map((name, position) => ({ name, position, commit: 'committed' }))
  const view = { id: 'a', status, steps } as unknown as SagaView
  const entries = [...journal, { type: 'ended', status }] as unknown as JournalEntry[]
  return { id: 'a', lines: given, view, journal: entries }
}

const forward: Short[] = [
  ['one', 'begun'],
  ['one', 'committed'],
  ['two', 'begun'],
  ['two', 'committed'],
]
const backward: Short[] = [
  ['two', 'begun', back],
  ['two', 'rolled_back'],
  ['one', 'begun', back],
  ['one', 'rolled_back'],
]

describe('the checker', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(judge(witness('committed', lines(...forward)))).toEqual([])
    expect(judge(witness('rolled_back', lines(...forward, ...backward)))).toEqual([])
  })

  const broken: Record<string, [ReturnType<typeof witness>, RegExp]> = {
    'an effect left behind': [
      witness('rolled_back', lines(...forward, ...backward.slice(0, 2))),
      /step one stands/,
    ],
    'an effect missing': [witness('committed', lines(...forward.slice(0, 2))), /step two does not stand/],
    'rollbacks in order': [
      witness('rolled_back', lines(...forward, ...backward.slice(2), ...backward.slice(0, 2))),
      /rollback of one #1 began before that of two/,
    ],
    'a step before its turn': [
      witness('committed', lines(...forward.slice(2), ...forward.slice(0, 2))),
      /two #1 began before one had committed/,
    ],
    'a commit after a rollback': [
      witness('rolled_back', lines(...forward, ...backward, ['two', 'begun'])),
      /two #2 began after rollbacks had begun/,
    ],
    'an attempt used twice': [
      witness('committed', lines(...forward, ['two', 'begun', { attempt: 1 }])),
      /called as attempt 1 after attempt 1/,
    ],
    'another key': [
      witness('committed', lines(...forward, ['two', 'begun', { key: 'u:two:commit:again' }])),
      /two keys/,
    ],
    'the key of another step': [
      witness('committed', lines(...forward.slice(0, 3), ['two', 'committed', { key: 'u:one:commit' }])),
      /has the key of/,
    ],
    'another uid': [
      witness('committed', lines(...forward.slice(0, 3), ['two', 'committed', { key: 'v:two:commit' }])),
      /ran as 2 sagas/,
    ],
    'a token that shrinks': [
      witness('committed', lines(...forward, ['two', 'begun', { token: 0 }])),
      /token 0 after 1/,
    ],
    'a token of two processes': [
      witness('committed', lines(...forward, ['two', 'begun', { pid: 2 }])),
      /share token 1/,
    ],
    'a commit after the decision': [
      witness('rolled_back', lines(...forward, ...backward), [
        { type: 'rolling_back' },
        { type: 'started', direction: 'commit', step: 'two' },
      ]),
      /after the decision/,
    ],
    'an answer that is not the end': [
      { ...witness('committed', lines(...forward)), answers: ['rolled_back'] } as ReturnType<typeof witness>,
      /a caller was told rolled_back/,
    ],
    'no end': [
      { ...witness('committed', lines(...forward)), journal: [] },
      /its journal ends with undefined/,
    ],
  }
  for (const [what, [given, found]] of Object.entries(broken)) {
    test(`finds ${what}`, () => {
      expect(judge(given).join('\n')).toMatch(found)
    })
  }

  test('a rollback that is repeated under its old key undoes nothing more', () => {
    const again: Short[] = [
      ['one', 'begun'],
      ['one', 'committed'],
      ['one', 'begun', back],
      ['one', 'rolled_back'],
      ['one', 'committed', { direction: 'commit', key: 'u:one:commit' }],
      ['one', 'begun', back],
      ['one', 'rolled_back'],
    ]
    expect([...standing(lines(...again))]).toEqual(['one'])
    const renewed = lines(...again).map((line, i) => (i > 4 ? { ...line, key: 'u:one:rollback:2' } : line))
    expect([...standing(renewed)]).toEqual([])
  })

  test('finds sagas that overlap, and how many were under way', () => {
    const both = ['a', 'b', 'a', 'b'].map(
      (saga): LedgerLine => ({ ...(lines(['one', 'begun'])[0] as LedgerLine), saga }),
    )
    expect(overlaps(both, () => ['k']).wrong).toEqual(['b began before a had ended'])
    expect(overlaps(both, () => null).wrong).toHaveLength(1)
    expect(overlaps(both, (saga) => [saga])).toEqual({ wrong: [], most: 2 })
    expect(overlaps(both, (saga) => (saga === 'a' ? [] : null)).wrong).toHaveLength(1)
    const apart = ['a', 'a', 'b', 'b'].map(
      (saga): LedgerLine => ({ ...(lines(['one', 'begun'])[0] as LedgerLine), saga }),
    )
    expect(overlaps(apart, () => null)).toEqual({ wrong: [], most: 1 })
  })
})
