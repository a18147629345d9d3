/**
 * The operator's page: serves dist/dashboard/, which dashboard/ is built into.
 *
 * Invariants
 * - The page may load and call nothing but this server, and runs no script or style that is not a file of it (`pagePolicy`).
 * - Files whose name holds a hash of their content are kept for ever; all others are asked about each time, and answered by ETag.
 * - Its own addresses are relative, so it works below any path, as long as that path ends in a slash; who leaves that out is sent there.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Context, Hono } from 'hono'

export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>
  readonly gzipped: Uint8Array<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
}

const folder = fileURLToPath(new URL('../dashboard/', import.meta.url))

/** The page's files by name, such as `assets/index-4f2a.js`: some tens of kilobytes, read once and kept. */
function readPage(): ReadonlyMap<string, PageFile> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return new Map(
    files
      .filter((file) => extname(file) in types)
      .map((file) => [file.replaceAll('\\', '/'), readPageFile(file)] as const),
  )
}

function readPageFile(file: string): PageFile {
  const body = new Uint8Array(readFileSync(join(folder, file)))
  const hashed = file.startsWith('assets')
  return {
    body,
    gzipped: new Uint8Array(gzipSync(body, { level: 9 })),
    headers: {
      'Content-Type': types[extname(file)] ?? '',
      'Cache-Control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      'Content-Security-Policy': pagePolicy,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      ETag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
      // The same address has two bodies: caches must keep them apart.
      Vary: 'Accept-Encoding',
    },
  }
}

function answer(context: Context, { body, gzipped, headers }: PageFile): Response {
  if (context.req.header('If-None-Match')?.includes(headers['ETag'] ?? '')) {
    return new Response(null, { status: 304, headers })
  }
  if (!/\bgzip\b/.test(context.req.header('Accept-Encoding') ?? '')) return new Response(body, { headers })
  return new Response(gzipped, { headers: { ...headers, 'Content-Encoding': 'gzip' } })
}

/**
 * Adds the page to an app, at `basePath` and a slash.
 *
 * @param basePath where the app itself is mounted, such as `/backstep`; empty: at the root
 */
export function addPage(app: Hono, basePath = ''): void {
  let files: ReadonlyMap<string, PageFile> | undefined
  const serve = (name: string) => (context: Context) => {
    files ??= readPage()
    const file = files.get(name === '' ? context.req.path.slice(basePath.length + 1) : name)
    return file ? answer(context, file) : context.notFound()
  }
  // Relative, because a proxy in front may have taken a part of the path away.
  const last = basePath.slice(basePath.lastIndexOf('/') + 1)
  if (basePath !== '') app.get(basePath, () => redirect(`${last}/`))
  app.get(`${basePath}/`, serve('index.html'))
  app.get(`${basePath}/favicon.svg`, serve('favicon.svg'))
  app.get(`${basePath}/assets/:file`, serve(''))
}

const redirect = (to: string): Response => new Response(null, { status: 308, headers: { Location: to } })
