/** The page's files as they are served: how much they weigh, how long they are kept, and what they may do. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { addPage } from '#dist/http/page.js'

const folder = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url))
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.\w+$/.test(file))
const shipped = files.filter((file) => !file.startsWith('.'))

const appAt = (basePath = ''): Hono => {
  const app = new Hono()
  addPage(app, basePath)
  return app
}
const asset = shipped.find((file) => /assets.*\.js$/.test(file)) ?? ''

test('all of the page is below 100 kB gzipped', () => {
  const sizes = shipped.map((file) => gzipSync(readFileSync(join(folder, file))).length)
  const all = sizes.reduce((sum, size) => sum + size, 0)
  expect(shipped.length).toBeGreaterThanOrEqual(4)
  expect(all).toBeLessThan(100_000)
  expect(all).toBeGreaterThan(10_000)
})

test('it asks nobody else for anything, and has neither inline scripts nor inline styles', () => {
  const html = readFileSync(join(folder, 'index.html'), 'utf8')
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=/i)
  const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address)
  expect(addresses.length).toBeGreaterThanOrEqual(3)
  expect(addresses.filter((address) => !address?.startsWith('./'))).toEqual([])
  const code = readFileSync(join(folder, asset), 'utf8')
  expect(code).not.toMatch(/https?:\/\/(?!www\.w3\.org\/)/)
})

test('hashed files are kept for ever, all others are asked about by ETag', async () => {
  const app = appAt()
  const page = await app.request('/')
  expect(page.status).toBe(200)
  expect(page.headers.get('Content-Type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('Cache-Control')).toBe('no-cache')
  const etag = page.headers.get('ETag') ?? ''
  expect(etag).toMatch(/^"[\w-]{22}"$/)
  const again = await app.request('/', { headers: { 'If-None-Match': etag } })
  expect(again.status).toBe(304)
  expect(await again.text()).toBe('')
  const script = await app.request(`/${asset}`)
  expect(script.headers.get('Cache-Control')).toBe('public, max-age=31536000, immutable')
  expect(script.headers.get('Content-Type')).toBe('text/javascript; charset=utf-8')
})

test('it is sent gzipped to those who can read that', async () => {
  const packed = await appAt().request(`/${asset}`, { headers: { 'Accept-Encoding': 'br, gzip' } })
  expect(packed.headers.get('Content-Encoding')).toBe('gzip')
  const plain = await appAt().request(`/${asset}`)
  expect(plain.headers.get('Content-Encoding')).toBeNull()
  const [small, large] = [await packed.arrayBuffer(), await plain.arrayBuffer()]
  expect(small.byteLength).toBeLessThan(large.byteLength / 2)
})

test('every file comes with the policy, and what is no file of the page is not there', async () => {
  const app = appAt()
  for (const path of ['/', '/favicon.svg', `/${asset}`]) {
    const { headers } = await app.request(path)
    expect(headers.get('Content-Security-Policy'), path).toMatch(
      /default-src 'none'; script-src 'self'; style-src 'self'/,
    )
    expect(headers.get('X-Content-Type-Options'), path).toBe('nosniff')
    expect(headers.get('Referrer-Policy'), path).toBe('no-referrer')
  }
  for (const path of ['/assets/none.js', '/.stamp', '/assets/..%2findex.html', '/index.htm']) {
    expect((await app.request(path)).status, path).toBe(404)
  }
})

test('below a path: with the slash it is there, without it one is sent there', async () => {
  const app = appAt('/ops/backstep')
  expect((await app.request('/ops/backstep/')).status).toBe(200)
  expect((await app.request(`/ops/backstep/${asset}`)).status).toBe(200)
  expect((await app.request('/')).status).toBe(404)
  const moved = await app.request('/ops/backstep')
  expect([moved.status, moved.headers.get('Location')]).toEqual([308, 'backstep/'])
})
