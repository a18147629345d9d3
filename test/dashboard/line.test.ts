/** The page's connection in a real browser: many windows, a server that says nothing any more, a token that is withdrawn. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { serve } from '#dist/http/index.js'
import { describeInBrowser, stage } from './world.js'

/** In between: forwards everything, until nothing goes through any more, though all connections stay open. */
async function wire(to: number) {
  const sockets = new Set<Socket>()
  let cut = false
  const server = createServer((socket) => {
    const there = connect(to, '127.0.0.1')
    for (const one of [socket, there]) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        socket.destroy()
        there.destroy()
        sockets.delete(one)
      })
    }
    socket.on('data', (bytes) => cut || there.write(bytes))
    there.on('data', (bytes) => cut || socket.write(bytes))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    cut: () => {
      cut = true
    },
    mend: () => {
      cut = false
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const line = (page: Page) => page.locator('.line-state')

/** As a browser does to the window that is no more in front; the tests' one tells each that it is. */
const blur = `document.hasFocus = () => false; dispatchEvent(new Event('blur'))`

describeInBrowser('the line to the server', () => {
  const { serving, look } = stage()

  test('six windows with an open saga: each shows it, and what happens to it', async () => {
    const { world, url } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page } = await look(`${url}?saga=slow`)
    const windows = [page]
    while (windows.length < 6) {
      await windows.at(-1)?.locator('.block.open').waitFor()
      await windows.at(-1)?.evaluate(blur)
      const next = await page.context().newPage()
      await next.goto(`${url}?saga=slow`)
      windows.push(next)
    }
    world.heal()
    for (const one of windows) {
      await one.locator('.head.committed').waitFor()
      expect(await line(one).textContent()).toBe('live')
    }
  })

  test('a server that says nothing any more is not called live, and what was missed is there after it', async () => {
    const { world, url } = await serving()
    await world.submit('before')
    const between = await wire(Number(new URL(url).port))
    const { page, expectError } = await look('about:blank')
    try {
      await page.clock.install()
      await page.goto(between.url)
      await line(page).getByText('live').waitFor()
      await page.locator('.row').waitFor()
      between.cut()
      await world.submit('meanwhile')
      expectError(/ERR_/)
      await page.clock.fastForward(15_000)
      await line(page).getByText('connection lost').waitFor({ timeout: 20_000 })
      between.mend()
      await page.clock.fastForward(15_000)
      await line(page).getByText('live').waitFor()
      await page.locator('.row[data-row="meanwhile"]').getByText('Committed').waitFor()
    } finally {
      await page.close()
      between.close()
    }
  }, 60_000)

  test('whose token is withdrawn is asked for another, and comes back to where he was', async () => {
    const tokens = (token: string) => ({ tokens: [{ token, role: 'operate', name: 'Otto' }] }) as const
    const { world, url, server } = await serving(tokens('the-token-of-yesterday'))
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page, expectError } = await look(`${url}?saga=slow`)
    expectError(/401|ERR_/)
    await page.getByLabel('Token').fill('the-token-of-yesterday')
    await page.keyboard.press('Enter')
    await page.locator('.block.open').waitFor()
    await server.close({ drain: 1 })
    const again = await serve(world.orchestrator, {
      port: Number(new URL(url).port),
      ...tokens('the-token-of-today'),
    })
    try {
      await page.getByLabel('Token').fill('the-token-of-today')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'slow' }).waitFor()
    } finally {
      await page.close()
      await again.close({ drain: 1 })
    }
  })

  test('buttons go when the server becomes one that only shows', async () => {
    const { world, url, server } = await serving()
    await world.submit('slow', { commit: { hotel: 'hang' } })
    const { page, expectError } = await look(`${url}?saga=slow`)
    await page.getByRole('button', { name: 'Cancel' }).waitFor()
    expectError(/ERR_/)
    await server.close({ drain: 1 })
    const again = await serve(world.orchestrator, { port: Number(new URL(url).port), readOnly: true })
    try {
      await page.getByText('read only').waitFor()
      expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0)
    } finally {
      await page.close()
      await again.close({ drain: 1 })
    }
  })
})
