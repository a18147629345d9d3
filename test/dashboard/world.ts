/**
 * What the tests of the page look at: a real browser, a real server, and sagas whose services do what a test tells them.
 *
 * Invariants
 * - Each test has a browser context of its own; whatever its console says as an error, and whatever the policy (CSP) reports, fails it,
 *   but for what the test has announced.
 * - Without a browser the tests are skipped, and say so.
 */
import { existsSync } from 'node:fs'
import { InDoubt, memoryStore, Orchestrator, Rejected, saga } from 'backstep'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { type SagaServer, type ServeOptions, serve } from '#dist/http/index.js'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/** Headless, and silent towards the network. */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function describeInBrowser(name: string, tests: () => void): void {
  const isThere = existsSync(executablePath)
  if (!isThere) console.log(`skipped: ${name}: there is no ${executablePath}; set CHROMIUM_PATH`)
  describe.skipIf(!isThere)(name, tests)
}

/** What one service does. */
export type Deed = 'do' | 'refuse' | 'doubt' | 'hang' | 'fail' | 'quote'

export interface Order {
  /** By step: of its commit. Absent: it commits. */
  readonly commit?: Readonly<Record<string, Deed>>
  /** By step: of its rollback, until it is healed. */
  readonly rollback?: Readonly<Record<string, Deed>>
  readonly keys?: readonly string[]
  /** What an error of `quote` says. */
  readonly quote?: string
  readonly [more: string]: unknown
}

type Booking = { readonly booked: string }

export interface World {
  readonly orchestrator: Orchestrator
  readonly submit: (id: string, order?: Order) => Promise<void>
  /** From now on every service does as it should; what hangs is answered. */
  readonly heal: () => void
}

/** Sagas of three steps, run in memory. `rollbackEvery`: ms between two attempts; where that is long, the first failure makes it stuck. */
export async function openWorld({ rollbackEvery = 20 } = {}): Promise<World> {
  let healed = false
  const waiting = new Set<() => void>()
  const act = async (deed: Deed | undefined, name: string, { quote = '' }: Order): Promise<Booking> => {
    if (healed || deed === undefined || deed === 'do') return { booked: `${name}-7` }
    if (deed === 'refuse') throw new Rejected(`${name} is sold out`)
    if (deed === 'doubt') throw new InDoubt(`${name} hung up`)
    if (deed === 'quote') throw Object.assign(new Rejected(quote), { name: quote, code: quote })
    if (deed === 'fail') throw new Error(`${name} answers 503`)
    return await new Promise<Booking>((resolve) => waiting.add(() => resolve({ booked: `${name}-8` })))
  }
  const keys = ({ keys: some }: Order): string[] => [...(some ?? [])]
  const step = (name: string) => ({
    commit: ({ input }: { readonly input: Order }) => act(input.commit?.[name], name, input),
    rollback: ({ input }: { readonly input: Order }) => act(input.rollback?.[name], name, input),
    timeout: '60s' as const,
    rollbackRetry: { min: rollbackEvery, max: rollbackEvery },
  })
  const definition = saga<Order>('book-trip', { keys, stuck: { attempts: rollbackEvery < 1_000 ? 3 : 1 } })
    .step('flight', step('flight'))
    .step('hotel', step('hotel'))
    .step('payment', step('payment'))
  const orchestrator = await Orchestrator.open(memoryStore(), { sagas: [definition], log: false, grace: 10 })
  return {
    orchestrator,
    submit: async (id, order = {}) => void (await orchestrator.submit(definition, order, { id })),
    heal: () => {
      healed = true
      for (const go of waiting) go()
      waiting.clear()
    },
  }
}

export interface Look {
  readonly page: Page
  /** What the console may say as an error. */
  readonly expectError: (pattern: RegExp) => void
}

interface Opened {
  readonly world: World
  readonly server: SagaServer
  readonly url: string
}

export interface Stage {
  /** A world with its server; both are closed after the test. */
  readonly serving: (options?: ServeOptions & { rollbackEvery?: number }) => Promise<Opened>
  readonly look: (url: string, context?: BrowserContextOptions) => Promise<Look>
}

/** To be called in a describe: one browser for all its tests. */
export function stage(): Stage {
  let browser: Browser
  const endings: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args })
  })
  // Playwright itself gives a browser 30 s to leave, and only then kills it.
  afterAll(() => browser?.close(), 60_000)
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end()
  })
  return {
    serving: async ({ rollbackEvery, ...options } = {}) => {
      const world = await openWorld(rollbackEvery === undefined ? {} : { rollbackEvery })
      const server = await serve(world.orchestrator, { port: 0, ...options })
      endings.push(async () => {
        world.heal()
        await server.close({ drain: 1 })
        await world.orchestrator.close({ drain: 1 })
      })
      return { world, server, url: server.url }
    },
    look: async (url, options = {}) => {
      // What moves is drawn sixty times a second, by the processor.
      const calm = { viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' } as const
      const context = await browser.newContext({ ...calm, ...options })
      context.setDefaultTimeout(8_000)
      const page = await context.newPage()
      const errors: string[] = []
      const expected: RegExp[] = []
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
      })
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('dialog', (dialog) => {
        errors.push(`a dialog: ${dialog.message()}`)
        void dialog.dismiss()
      })
      await page.addInitScript(
        `addEventListener('securitypolicyviolation', (event) => console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))`,
      )
      endings.push(async () => {
        await context.close()
        const unexpected = errors.filter((error) => !expected.some((pattern) => pattern.test(error)))
        expect(unexpected, 'the console').toEqual([])
      })
      await page.goto(url)
      return { page, expectError: (pattern) => void expected.push(pattern) }
    },
  }
}
