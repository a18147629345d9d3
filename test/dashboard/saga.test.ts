/** One saga in a real browser: its timeline, why it waits, who waits for it, and stepping in. */
import { memoryStore, Orchestrator, saga } from 'backstep'
import { expect, test } from 'vitest'
import { serve } from '#dist/http/index.js'
import { describeInBrowser, stage } from './world.js'

const stuck = { commit: { payment: 'refuse' }, rollback: { hotel: 'fail' } } as const

describeInBrowser('one saga', () => {
  const { serving, look } = stage()
  const openAt = (url: string, id: string, more = '') => look(`${url}?saga=${encodeURIComponent(id)}${more}`)

  test('its timeline has each attempt: forward, back, in doubt, and many failures as one', async () => {
    const { world, url } = await serving()
    await world.submit('stuck', { commit: { payment: 'doubt' }, rollback: { hotel: 'fail' } })
    const { page } = await openAt(url, 'stuck')
    await page.locator('.block.folded.rollback').waitFor()
    expect(await page.locator('.block.commit.committed').count()).toBe(2)
    expect(await page.locator('.block.commit.in_doubt').count()).toBe(1)
    expect(await page.locator('.block.rollback.done').count()).toBe(1)
    expect(await page.locator('.effect.stands').count()).toBe(2)
    await page.locator('.turn.rolling_back').getByText('turned back: in doubt').waitFor()
    await expect
      .poll(() => page.locator('.why').textContent())
      .toMatch(/^Stuck, .*rollback of hotel.*hotel answers 503/)
    await page.getByRole('group', { name: /^Timeline/ }).focus()
    await page.keyboard.press('ArrowRight')
    expect(await page.locator('.reading').textContent()).toMatch(
      /^attempt 1 of the commit of flight: committed after/,
    )
  })

  test('a wait is counted down, and a retry ends it', async () => {
    const { world, url } = await serving({ rollbackEvery: 3_600_000 })
    await world.submit('waits', { commit: { hotel: 'refuse' }, rollback: { flight: 'fail' } })
    const { page } = await openAt(url, 'waits')
    const why = page.locator('.why')
    await expect
      .poll(() => why.textContent())
      .toMatch(/^Stuck, waiting .* for attempt 2 of the rollback of flight/)
    const before = await why.textContent()
    await expect.poll(() => why.textContent()).not.toBe(before)
    expect(await page.locator('.pause.on').count()).toBe(1)
    world.heal()
    await page.getByRole('button', { name: 'Retry now' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Retry now' }).click()
    await page.locator('.head.rolled_back').waitFor()
    await page.getByText('No step stands').waitFor()
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0)
  })

  test('cancel asks for a reason, which the journal keeps', async () => {
    const { world, url } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page } = await openAt(url, 'slow')
    await page.locator('.block.open').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Cancel the saga' }).click()
    expect(await dialog.count()).toBe(1)
    await dialog.getByLabel('Reason').fill('the guest called')
    await dialog.getByRole('button', { name: 'Cancel the saga' }).click()
    await expect.poll(() => dialog.count()).toBe(0)
    world.heal()
    await page.locator('.head.rolled_back').waitFor()
    const turned = (await world.orchestrator.journal('slow'))?.find(({ type }) => type === 'rolling_back')
    expect(turned).toMatchObject({ reason: 'cancelled', message: 'the guest called', actor: 'local' })
    await page.getByRole('link', { name: 'Journal' }).click()
    await page.getByText('local cancelled it: the guest called').waitFor()
  })

  test('a stuck step is resolved as the one thing that the way back allows', async () => {
    const { world, url } = await serving({ rollbackEvery: 30 })
    await world.submit('stuck', { ...stuck, commit: { payment: 'doubt' } })
    const { page } = await openAt(url, 'stuck')
    await page.getByRole('button', { name: 'Resolve' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('It counts as rolled back').waitFor()
    expect(await dialog.getByLabel('Step').locator('option').allTextContents()).toEqual(['hotel'])
    await dialog.getByLabel('Reason').fill('cancelled by phone')
    await dialog.getByRole('button', { name: 'Resolve the step' }).click()
    await page.locator('.head.rolled_back').waitFor()
    expect(await page.locator('.moment.resolved').count()).toBe(1)
    const resolved = (await world.orchestrator.journal('stuck'))?.find(({ type }) => type === 'resolved')
    expect(resolved).toMatchObject({ step: 'hotel', as: 'rolled_back', reason: 'cancelled by phone' })
  })

  test('forward a step that is waited for is resolved as committed, with its output', async () => {
    const { world, url } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page } = await openAt(url, 'slow')
    await page.locator('.block.open').waitFor()
    expect(await page.getByRole('button', { name: 'Retry now' }).isDisabled()).toBe(true)
    await page.getByRole('button', { name: 'Resolve' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('It counts as committed').waitFor()
    await dialog.getByText('If there is no effect, cancel the saga.').waitFor()
    await dialog.getByLabel('Reason').fill('seen in the hotel')
    await dialog.getByLabel('Output').fill('{"booked": "by hand"')
    await dialog.getByRole('button', { name: 'Resolve the step' }).click()
    await dialog.getByText('the output is no JSON').waitFor()
    await dialog.getByLabel('Output').fill('{"booked": "by hand"}')
    await dialog.getByRole('button', { name: 'Resolve the step' }).click()
    await expect.poll(() => dialog.count()).toBe(0)
    world.heal()
    await page.locator('.head.committed').waitFor()
    const resolved = (await world.orchestrator.journal('slow'))?.find(({ type }) => type === 'resolved')
    expect(resolved).toMatchObject({ step: 'hotel', as: 'committed', output: { booked: 'by hand' } })
  })

  test('a saga that ends while one thinks takes the button away, and what the API refuses is said in its words', async () => {
    const { world, url } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page, expectError } = await openAt(url, 'slow')
    expectError(/409/)
    await page.getByRole('button', { name: 'Cancel' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Reason').fill('the guest called')
    // It ends, and the page does not hear of it.
    await page.route('**/v1/sagas/slow', (route) => route.abort())
    expectError(/ERR_FAILED/)
    world.heal()
    await expect.poll(async () => (await world.orchestrator.get('slow'))?.status).toBe('committed')
    await dialog.getByRole('button', { name: 'Cancel the saga' }).click()
    await dialog.getByText('ENDED', { exact: true }).waitFor()
    await page.unroute('**/v1/sagas/slow')
    await dialog.getByText('Too late: it has ended.').waitFor()
    expect(await dialog.getByRole('button', { name: 'Cancel the saga' }).isDisabled()).toBe(true)
    expect(await dialog.getByLabel('Reason').inputValue()).toBe('the guest called')
  })

  test('Escape leaves the dialog, and not the saga; the button has the focus again', async () => {
    const { world, url } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page } = await openAt(url, 'slow')
    await page.getByRole('button', { name: 'Cancel' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByLabel('Reason').fill('on second thought')
    await page.keyboard.press('Escape')
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    await page.getByRole('heading', { name: 'slow' }).waitFor()
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Cancel')
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator('.detail').count()).toBe(0)
  })

  test('a press that is repeated acts once', async () => {
    const { world, url } = await serving({ rollbackEvery: 3_600_000 })
    await world.submit('waits', { commit: { hotel: 'refuse' }, rollback: { flight: 'fail' } })
    const { page } = await openAt(url, 'waits')
    await page.getByRole('button', { name: 'Retry now' }).click()
    const asked: string[] = []
    page.on('request', (request) => request.method() === 'POST' && asked.push(request.url()))
    await page.evaluate(
      `{ const form = document.querySelector('dialog form'); form.requestSubmit(); form.requestSubmit() }`,
    )
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    expect(asked.length).toBe(1)
  })

  test('the ids that no path can carry are shown and acted on like all others', async () => {
    const { world, url } = await serving()
    for (const id of ['.', '..', '=.']) await world.submit(id, { commit: { hotel: 'hang' } })
    const { page } = await openAt(url, '..')
    await page.getByRole('heading', { name: '..', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('dialog').getByLabel('Reason').fill('an odd id')
    await page.getByRole('button', { name: 'Cancel the saga' }).click()
    await page.locator('.head.rolled_back').waitFor()
    for (const id of ['.', '=.']) {
      await page.locator(`.row[data-row="${id}"]`).click()
      await page.getByRole('heading', { name: id, exact: true }).waitFor()
    }
    expect((await world.orchestrator.get('.'))?.status).toBe('running')
  })

  test('a saga whose definition is gone is moved to a version that is offered, with a reason', async () => {
    const store = memoryStore()
    const free = { rollback: () => {}, timeout: '1h' } as const
    const trip = (version: string, commit: () => Promise<void> | void) =>
      saga('trip', { version, keys: () => [] }).step('flight', { commit, ...free })
    const old = trip('1', () => new Promise(() => {}))
    const before = await Orchestrator.open(store, { sagas: [old], log: false, work: false })
    await before.submit(old, {}, { id: 'left-behind' })
    const after = await Orchestrator.open(store, { sagas: [trip('2', () => {})], log: false })
    const server = await serve(after, { port: 0 })
    try {
      const { page } = await look(`${server.url}?saga=left-behind`)
      await page.getByText('Blocked: no live process offers trip@1; offered is trip@2').waitFor()
      await page.getByRole('button', { name: 'Move to another version' }).click()
      const dialog = page.getByRole('dialog')
      expect(await dialog.getByLabel('Version').locator('option').allTextContents()).toEqual(['2'])
      await dialog.getByLabel('Reason').fill('version 1 is gone')
      await dialog.getByRole('button', { name: 'Move the saga' }).click()
      await page.locator('.head.committed').waitFor()
      const rebound = (await after.journal('left-behind'))?.find(({ type }) => type === 'rebound')
      expect(rebound).toMatchObject({ version: '2', reason: 'version 1 is gone', actor: 'local' })
    } finally {
      await server.close({ drain: 1 })
      await after.close({ drain: 1 })
      await before.close({ drain: 1 })
    }
  })

  test('of a saga with hundreds of steps a part is drawn, and one can go to the others', async () => {
    const { world, url } = await serving()
    const nothing = { commit: () => null, rollback: () => {} }
    const steps = Array.from({ length: 300 }, (_, n) => ({ name: `step-${n}`, ...nothing }))
    await world.orchestrator.run(saga('long', steps), {}, { id: 'long' })
    const { page } = await openAt(url, 'long')
    await page.getByText('Steps 241 to 300 of 300').waitFor()
    expect(await page.getByRole('button', { name: 'Later' }).isDisabled()).toBe(true)
    for (let times = 0; times < 4; times++) await page.getByRole('button', { name: 'Earlier' }).click()
    await page.getByText('Steps 1 to 60 of 300').waitFor()
    expect(await page.locator('.lane .step').first().textContent()).toContain('step-0')
    expect(await page.locator('.lane').count()).toBe(60)
    await page.getByRole('link', { name: 'Journal' }).click()
    await page.getByText(/^Entries 103 to 602 of 602/).waitFor()
    expect(await page.locator('.journal > li').count()).toBe(500)
  })

  test('who waits for which key, from both sides, and all lines at a glance', async () => {
    const { world, url } = await serving()
    await world.submit('holder', { ...stuck, keys: ['room:1'] })
    await expect.poll(async () => (await world.orchestrator.get('holder'))?.stuck).toBe(true)
    await world.submit('waiter', { keys: ['room:1'] })
    const { page } = await openAt(url, 'waiter')
    await page.locator('.waits').getByText('waits for holder, which holds room:1').waitFor()
    await page.locator('.waits').getByRole('link', { name: 'holder' }).click()
    await page.getByRole('button', { name: 'Who waits for it?' }).click()
    await page.locator('.waits').getByText('waiter waits for it to let go of room:1').waitFor()
    await page.keyboard.press('2')
    await page.locator('.lines .holder').getByText('room:1').waitFor()
    expect(await page.locator('.lines ol').textContent()).toBe('waiter')
  })

  test('journal and payloads are there when asked for', async () => {
    const { world, url } = await serving()
    await world.submit('rich', { note: 'a window seat' })
    const { page } = await openAt(url, 'rich', '&tab=payloads')
    await page.getByText('"note": "a window seat"').waitFor()
    await page.getByText('"booked": "payment-7"').waitFor()
    await page.getByRole('link', { name: 'Journal' }).click()
    await page.getByText('flight committed, output').click()
    await page.locator('details[open] pre').getByText('"type": "committed"').waitFor()
    expect(page.url()).toContain('tab=journal')
  })
})
