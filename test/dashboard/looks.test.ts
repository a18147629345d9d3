/** How the page looks to those who have little room, see it in the dark, or see little: phones, themes, contrast, labels. */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { describeInBrowser, stage } from './world.js'

/** In the page: texts whose contrast to what they stand on is below 4.5 (WCAG AA), with both colours. */
const lowContrast = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor)
  }
  const found = new Set()
  let seen = 0
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    const inBar = element.closest('.block')
    if (!walker.currentNode.data.trim() || inBar || !element.checkVisibility() || element.closest(':disabled')) continue
    const style = getComputedStyle(element)
    const [a, b] = [light(rgba(element.closest('svg') ? style.fill : style.color)), light(ground(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    seen++
    if (ratio < 4.5) found.add(ratio.toFixed(2) + ' ' + element.className + ' ' + walker.currentNode.data.slice(0, 30))
  }
  return { seen, found: [...found] }
})()`

/** In the page: things to press or to fill in that have no name. */
const nameless = `[...document.querySelectorAll('a, button, input, select, textarea, [tabindex]')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.title || one.labels?.length))
  .map((one) => one.outerHTML.slice(0, 120))`

const tooWide = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')

const views = (url: string): string[] => [
  url,
  `${url}?saga=${'stuck-'.repeat(20)}`,
  `${url}?saga=${'stuck-'.repeat(20)}&tab=journal`,
  `${url}?saga=${'stuck-'.repeat(20)}&tab=payloads`,
  `${url}?view=lines`,
  `${url}?view=numbers`,
]

/** Goes there as a link of the page does: without loading it again. */
async function show(page: Page, view: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, '', ${JSON.stringify(view)}); dispatchEvent(new PopStateEvent('popstate'))`,
  )
  const { searchParams } = new URL(view)
  const tab = searchParams.get('tab') ?? (searchParams.has('saga') ? 'timeline' : searchParams.get('view'))
  const there = {
    timeline: '.canvas svg',
    journal: '.journal',
    payloads: '.payloads',
    lines: '.lines li',
    numbers: '.charts.large svg',
  }
  await page
    .locator(there[tab as keyof typeof there] ?? '.overview .row')
    .first()
    .waitFor()
}

describeInBrowser('the looks', () => {
  const { serving, look } = stage()

  async function withTrouble() {
    const { world, url } = await serving({ rollbackEvery: 3_600_000 })
    const id = 'stuck-'.repeat(20)
    const keys = [`account:${'1'.repeat(90)}`]
    await world.submit('done')
    await world.submit('undone', { commit: { payment: 'doubt' } })
    await world.submit(id, {
      commit: { payment: 'refuse' },
      rollback: { hotel: 'fail' },
      keys,
      long: 'x'.repeat(300),
    })
    await expect.poll(async () => (await world.orchestrator.get(id))?.steps[1]?.rollback).toBe('waiting')
    await world.submit('waits', { keys })
    return { url, id }
  }

  test('360 px are enough for every view', async () => {
    const { url } = await withTrouble()
    const { page } = await look(url, { viewport: { width: 360, height: 740 }, hasTouch: true })
    for (const view of views(url)) {
      await show(page, view)
      expect(await tooWide(page), view).toBeLessThanOrEqual(0)
    }
    await show(page, views(url)[1] ?? '')
    await page.getByRole('button', { name: 'Resolve' }).tap()
    await page.getByRole('dialog').getByLabel('Reason').waitFor()
    expect(await tooWide(page)).toBeLessThanOrEqual(0)
    await page.getByRole('button', { name: 'Leave it' }).tap()
    await page.getByRole('link', { name: 'All sagas' }).tap()
    await page.locator('.row').first().waitFor()
  })

  test('on a phone an opened saga begins at its top, and Back comes back to its row', async () => {
    const { world, url } = await serving()
    for (let index = 0; index < 50; index++) await world.submit(`trip-${index}`)
    const { page } = await look(url, { viewport: { width: 390, height: 740 }, hasTouch: true })
    const row = page.locator('.row[data-row="trip-9"]')
    await row.tap()
    await page.getByRole('heading', { name: 'trip-9' }).waitFor()
    expect(await page.evaluate<number>('scrollY')).toBe(0)
    await page.goBack()
    await expect.poll(() => page.evaluate<number>('scrollY')).toBeGreaterThan(1_000)
    expect(await page.evaluate<string>('document.activeElement.dataset.row')).toBe('trip-9')
  })

  test.each(['light', 'dark'] as const)(
    '%s: every text stands out, everything has a name',
    async (colorScheme) => {
      const { url } = await withTrouble()
      const { page } = await look(url, { colorScheme })
      for (const view of views(url)) {
        await page.goto(view)
        await page.locator('.row, .canvas svg, .journal, .payloads, .lines li, .chart svg').first().waitFor()
        const { seen, found } = await page.evaluate<{ seen: number; found: string[] }>(lowContrast)
        expect(found, view).toEqual([])
        expect(seen).toBeGreaterThan(10)
        expect(await page.evaluate<string[]>(nameless), view).toEqual([])
      }
    },
  )

  test('dark where the system is dark, or where the switch says so, and that is remembered', async () => {
    const { url } = await serving()
    const { page } = await look(url, { colorScheme: 'dark' })
    const ground = () => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')
    await page.getByText('No saga yet').waitFor()
    const dark = await ground()
    await page.keyboard.press('t')
    await expect.poll(ground).not.toBe(dark)
    await page.reload()
    await page.getByText('No saga yet').waitFor()
    expect(await ground()).not.toBe(dark)
    await page.keyboard.press('t')
    await expect.poll(ground).toBe(dark)
  })

  test('below a path of its own it works as well', async () => {
    const { world, url } = await serving({ basePath: '/ops/backstep' })
    await world.submit('one')
    const { page } = await look(url.replace(/\/$/, ''))
    expect(page.url()).toBe(url)
    await page.locator('.row').click()
    await page.getByRole('heading', { name: 'one' }).waitFor()
    expect(page.url()).toBe(`${url}?saga=one`)
  })
})
