/** What the page does for those who may only look, and that script in whatever a saga carries stays text (scenario 46). */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { describeInBrowser, stage } from './world.js'

describeInBrowser('who may only look', () => {
  const { serving, look } = stage()
  const tokens = [
    { token: 'a-token-that-may-only-look', role: 'read', name: 'Vera' },
    { token: 'a-token-that-may-operate', role: 'operate', name: 'Otto' },
  ] as const

  test('signs in with a token, sees no button, and the server would refuse', async () => {
    const { world, url } = await serving({ tokens })
    await world.submit('slow', { commit: { hotel: 'hang' }, card: '4111-secret' })
    const { page, expectError } = await look(`${url}?saga=slow&tab=payloads`)
    expectError(/401/)
    await page.getByLabel('Token').fill('a-token-that-nobody-has')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('there is no such token').waitFor()
    await page.getByLabel('Token').fill(tokens[0].token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'slow' }).waitFor()
    await page.getByText('read only').waitFor()
    await page.getByText('Your role does not see what goes in').waitFor()
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0)
    expect(await page.locator('body').textContent()).not.toContain('4111-secret')
    const answer = await page.request.post(`${url}v1/sagas/slow/cancel`, {
      data: { reason: 'all the same' },
      headers: { Origin: new URL(url).origin },
    })
    expect(answer.status()).toBe(403)
    expect(page.url()).not.toContain('token')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').fill(tokens[1].token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('button', { name: 'Cancel' }).waitFor()
  })

  test('a server that only shows has a page that only shows', async () => {
    const { world, url } = await serving({ readOnly: true })
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page } = await look(`${url}?saga=slow`)
    await page.getByText('read only').waitFor()
    await page.locator('.block.open').waitFor()
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0)
  })
})

/** Would run, load or restyle something wherever it is taken for markup, an address, or a part of a selector. */
const hostile = [
  `<img src=x onerror="document.title='owned'">`,
  '<script>document.title="owned"</script>',
  '"><svg onload=alert(1)>',
  "javascript:document.title='owned'",
  '<style>body{display:none}</style>',
].join(' ')

/** Turns the direction of text, and breaks lines where nobody sees it: ids and keys may hold these, too. */
const odd = '\u202e\u2028'

describeInBrowser('scenario 46: script in every field a saga can carry', () => {
  const { serving, look } = stage()
  const id = `${hostile}${odd}.`
  const waiter = `after ${id}`
  const keys = [`key ${hostile}`]

  /** Signs that would turn the direction of what stands beside them are shown as what they are. */
  const turned = (page: Page) => page.locator('#page', { hasText: /[\u2028\u202e]/ }).count()

  async function readAll(page: Page): Promise<void> {
    await page.locator('.block.rollback').waitFor()
    await page.getByRole('group', { name: /^Timeline/ }).focus()
    for (let index = 0; index < 6; index++) await page.keyboard.press('ArrowRight')
    await page.getByRole('button', { name: 'Who waits for it?' }).click()
    await page.locator('.waits').getByText('waits for it to let go of').waitFor()
    expect(await turned(page)).toBe(0)
    await page.locator('.title h1').getByText('\\u202e\\u2028').waitFor()
    await page.getByRole('button', { name: 'Resolve' }).click()
    await page.getByLabel('Reason').fill(hostile)
    await page.getByRole('button', { name: 'Leave it' }).click()
    await page.getByRole('link', { name: 'Payloads' }).click()
    await page.locator('.payloads').getByText('<script>').first().waitFor()
    await page.getByRole('link', { name: 'Journal' }).click()
    for (const line of await page.locator('.journal summary').all()) await line.click()
    await page.locator('.journal details[open] pre').getByText('<script>').first().waitFor()
    expect(await turned(page)).toBe(0)
  }

  test('nothing runs, nothing is loaded, and the policy has nothing to report', async () => {
    const { world, url } = await serving({ rollbackEvery: 3_600_000 })
    const order = {
      commit: { payment: 'quote' },
      rollback: { hotel: 'quote' },
      quote: `${hostile}${odd}`,
    } as const
    await world.submit(id, { ...order, keys, [hostile]: [hostile] })
    await expect.poll(async () => (await world.orchestrator.get(id))?.stuck).toBe(true)
    await world.submit(waiter, { keys })
    const { page, expectError } = await look(url)
    expectError(/404/)
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.locator('.row.stuck').getByText('<img src=x onerror').waitFor()
    await page.locator('.row.stuck').click()
    await readAll(page)
    const by = { reason: hostile, actor: hostile }
    await world.orchestrator.resolve(id, 'hotel', { as: 'rolled_back', ...by })
    await page.locator('.head.rolled_back').waitFor()
    await page.locator('.journal .by-hand').waitFor()
    await world.orchestrator.cancel(waiter, hostile, by).catch(() => {})
    await page.reload()
    await page.locator('.journal .by-hand').waitFor()
    const nowhere = encodeURIComponent(hostile)
    await page.goto(`${url}?saga=${nowhere}&name=${nowhere}&view=${nowhere}&status=${nowhere}&tab=${nowhere}`)
    await page.locator('.detail .trouble').waitFor()
    await page.getByRole('searchbox').fill(hostile)
    await page.keyboard.press('Enter')
    await page.locator('.said').getByText('<img src=x').waitFor()
    expect(await page.title()).toContain('Backstep')
    expect(await page.locator('#page :is(iframe, img, script, style, [onerror], [onload])').count()).toBe(0)
    expect(asked.filter((address) => !address.startsWith(url))).toEqual([])
  })
})
