/** The page's list in a real browser: live, filtered, paged, by keys, and after a lost connection. */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { serve } from '#dist/http/index.js'
import { describeInBrowser, stage } from './world.js'

const rows = (page: Page) => page.locator('.row')
const row = (page: Page, id: string) => page.locator(`.row[data-row="${id}"]`)
const filter = (page: Page, kind: string) => page.locator(`.filter.${kind}`)
const stuck = { commit: { payment: 'refuse' }, rollback: { hotel: 'fail' } } as const

describeInBrowser('the list', () => {
  const { serving, look } = stage()

  test('shows sagas as they come and change, and counts them', async () => {
    const { world, url } = await serving()
    const { page } = await look(url)
    await page.getByText('No saga yet').waitFor()
    await world.submit('first')
    await row(page, 'first').getByText('Committed').waitFor()
    await world.submit('second', { commit: { hotel: 'refuse' } })
    await row(page, 'second').getByText('Rolled back').waitFor()
    await expect.poll(() => filter(page, 'committed').locator('b').textContent()).toBe('1')
    await expect.poll(() => filter(page, 'rolled_back').locator('b').textContent()).toBe('1')
    expect(await rows(page).locator('.id').allTextContents()).toEqual(['second', 'first'])
  })

  test('what is stuck comes first, though much is newer', async () => {
    const { world, url } = await serving()
    await world.submit('the-stuck-one', stuck)
    for (let index = 0; index < 60; index++) await world.submit(`later-${index}`)
    const { page } = await look(url)
    await expect.poll(() => rows(page).locator('.id').first().textContent()).toBe('the-stuck-one')
    await page.getByRole('heading', { name: 'Needs attention' }).waitFor()
    expect(await rows(page).count()).toBe(51)
    expect(await page.title()).toBe('(1) Backstep')
  })

  test('filters, pages and the open saga are in the address, and Back goes back', async () => {
    const { world, url } = await serving()
    await world.submit('stuck-1', stuck)
    for (let index = 0; index < 120; index++) await world.submit(`trip-${index}`)
    const { page } = await look(url)
    await filter(page, 'committed').click()
    await expect.poll(() => rows(page).count()).toBe(50)
    expect(new URL(page.url()).search).toBe('?status=committed')
    await page.getByRole('link', { name: 'Older' }).click()
    await row(page, 'trip-69').waitFor()
    await row(page, 'trip-69').click()
    await page.getByRole('heading', { name: 'trip-69' }).waitFor()
    const address = page.url()
    expect(address).toMatch(/status=committed&after=\d+&saga=trip-69$/)
    await page.reload()
    await page.getByRole('heading', { name: 'trip-69' }).waitFor()
    expect(await rows(page).first().locator('.id').textContent()).toBe('trip-69')
    await page.goBack()
    await page.goBack()
    await row(page, 'trip-119').waitFor()
    await filter(page, 'stuck').click()
    await row(page, 'stuck-1').waitFor()
    expect(await rows(page).count()).toBe(1)
    await filter(page, 'blocked').click()
    await page.getByText('Nothing is blocked').waitFor()
  })

  test('finds a saga by its id, and says where there is none', async () => {
    const { world, url } = await serving()
    await world.submit('order/7 ä?&#')
    const { page, expectError } = await look(url)
    expectError(/404/)
    await page.getByRole('searchbox').waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('nobody')
    await page.keyboard.press('Enter')
    await page.getByText('There is no saga with the id nobody').waitFor()
    await page.getByRole('searchbox').fill('order/7 ä?&#')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'order/7 ä?&#' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'order/7 ä?&#' }).waitFor()
  })

  test('keys: j, k, Enter, Escape, ?, and numbers for the rooms', async () => {
    const { world, url } = await serving()
    for (const id of ['one', 'two', 'three']) await world.submit(id)
    const { page } = await look(url)
    await row(page, 'one').waitFor()
    for (const key of ['j', 'j', 'j', 'k', 'Enter']) await page.keyboard.press(key)
    await page.getByRole('heading', { name: 'two', exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator('.detail').count()).toBe(0)
    await page.keyboard.press('?')
    await page.getByRole('dialog').getByText('next and previous saga').waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    await page.keyboard.press('3')
    await page.getByRole('img', { name: /^Ended per second/ }).waitFor()
    await page.keyboard.press('2')
    await page.getByText('Nobody waits for anybody').waitFor()
  })

  test('a lost connection is said, and what was missed is there after it', async () => {
    const { world, url, server } = await serving()
    await world.submit('before')
    const { page, expectError } = await look(url)
    await page.getByText('live', { exact: true }).waitFor()
    expectError(/ERR_|Failed to load/)
    await server.close({ drain: 1 })
    await page.getByText('connection lost').waitFor()
    await world.submit('meanwhile')
    const again = await serve(world.orchestrator, { port: Number(new URL(url).port) })
    try {
      await page.getByText('live', { exact: true }).waitFor()
      await row(page, 'meanwhile').getByText('Committed').waitFor()
    } finally {
      await page.close()
      await again.close({ drain: 1 })
    }
  })
})
