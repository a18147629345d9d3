/**
 * Scenario 47: step addresses that point where they must not: metadata services, other schemes, private ranges, names whose DNS changes.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import { createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { saga } from 'backstep'
import { describe, expect, test } from 'vitest'
import { kindOf } from '#dist/remote/addresses.js'
import { remote } from '#dist/remote/index.js'
import {
  afterwards,
  contextOf,
  listening,
  made,
  outcomeOf,
  rawServer,
  recorder,
  rollbackContext,
  within,
} from './support.js'

const rollback = { url: 'https://flights.example/x' }

describe('scenario 47: kinds of addresses', () => {
  test.each([
    ['public', '8.8.8.8 1.1.1.1 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450::1'],
    [
      'private',
      '127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 ::1 fc00::1 fd12::1',
    ],
    [
      'forbidden',
      '169.254.169.254 169.254.0.1 0.0.0.0 0.1.2.3 100.100.100.200 168.63.129.16 224.0.0.1 240.0.0.1 255.255.255.255',
    ],
    [
      'forbidden',
      ':: fe80::1 fe80::1%eth0 fec0::1 ff02::1 fd00:ec2::254 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:8.8.8.8 ::127.0.0.1',
    ],
    ['forbidden', '64:ff9b::a9fe:a9fe 2002:7f00:1:: 2001::1 2001:db8::1 198.18.0.1 192.0.2.1 nonsense 1.2.3'],
  ])('%s: %s', (kind, addresses) => {
    for (const address of addresses.split(' '))
      expect(`${address} ${kindOf(address)}`).toBe(`${address} ${kind}`)
  })
})

describe('scenario 47: an address that is written out is refused when the step is made', () => {
  const making = (url: string, allow?: readonly string[]) => () =>
    remote({ commit: { url }, rollback, ...(allow ? { allow: [...allow, 'https://flights.example'] } : {}) })

  test.each([
    ['file:///etc/passwd', 'no address|not written out|scheme'],
    ['gopher://flights.example/', 'the scheme gopher is not http or https'],
    ['ftp://flights.example/', 'the scheme ftp'],
    ['http://169.254.169.254/latest/meta-data', 'metadata'],
    ['http://[fd00:ec2::254]/', 'metadata'],
    ['http://127.0.0.1/', 'private range'],
    ['http://127.1/', 'private range'],
    ['http://2130706433/', 'private range'],
    ['http://0x7f000001/', 'private range'],
    ['http://0177.0.0.1/', 'private range'],
    ['http://0/', 'reserved'],
    ['http://[::1]/', 'private range'],
    ['http://[::ffff:127.0.0.1]/', 'reserved'],
    ['http://[::ffff:a9fe:a9fe]/', 'metadata'],
    ['http://10.1.2.3:8080/', 'private range'],
    ['https://user:secret@flights.example/', 'a name or password'],
    ['https://{input.host}/', 'not written out'],
    ['https://flights.example{input.path}', 'not written out'],
    ['https://flights.example:{input.port}/', 'not written out'],
    ['https://flights.example@{input.host}/', 'not written out'],
    ['{input.url}', 'no address'],
    ['/flights', 'no address'],
    ['http://', 'no address|not written out'],
    ['https://flights.example/a/../admin', 'dot segment'],
  ])('%s', (url, why) => {
    expect(making(url)).toThrow(new RegExp(`^remote step: commit.url:? .*(${why})`, 's'))
  })

  test('what is not on the allow-list is refused, what is on it is taken', () => {
    const allow = [
      'https://hotels.example',
      'http://127.0.0.1:*',
      'http://[::1]:8080',
      'http://169.254.169.254',
    ]
    for (const url of [
      'https://hotels.example/a?b={input.b}',
      'https://hotels.example:443/a',
      'http://127.0.0.1:8080/',
      'http://127.0.0.1/',
      'http://2130706433:99/',
      'http://[::1]:8080/',
      'http://169.254.169.254/',
    ]) {
      expect(making(url, allow)).not.toThrow()
    }
    for (const url of [
      'http://hotels.example/a',
      'https://hotels.example:444/a',
      'https://evil.example/',
      'https://hotels.example.evil.example/',
      'http://127.0.0.2/',
      'http://[::1]/',
      'https://127.0.0.1/',
    ]) {
      expect(making(url, allow), url).toThrow('is not on the allow-list')
    }
  })

  test.each([
    'flights.example',
    'https://flights.example/path',
    'ftp://flights.example',
    'https://*.example',
    'https://a:*/b',
    'https://a:443:*',
    'https://a/:*',
    'https://a:secret@b',
    7,
  ])('an allow-list with %s is refused', (entry) => {
    expect(() => remote({ commit: rollback, rollback, allow: [entry as string] })).toThrow(
      /^remote step: allow\[0\]/,
    )
  })
})

describe('scenario 47: a name is resolved once, judged, and pinned', () => {
  /** Answers with the next list at each question. */
  const resolver = (...answers: string[][]) => {
    const questions: string[] = []
    const resolve = async (hostname: string) => {
      questions.push(hostname)
      const addresses = answers[Math.min(questions.length, answers.length) - 1] ?? []
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    }
    return { questions, resolve }
  }

  test('a name that points to metadata, to the own network, or to both kinds of places: refused, and nothing is sent', async () => {
    const { url, requests } = await recorder()
    const { port } = new URL(url)
    const commit = { url: `http://flights.example:${port}/` }
    for (const addresses of [
      ['169.254.169.254'],
      ['127.0.0.1'],
      ['8.8.8.8', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
    ]) {
      const { resolve } = resolver(addresses)
      const step = made({ commit, rollback: commit }, { allow: 'any', resolve })
      expect(await outcomeOf(step.commit(contextOf()))).toBe('rejected')
      expect(await outcomeOf(step.rollback(rollbackContext()))).toBe('failed')
    }
    expect(requests).toEqual([])
  })

  test('a name on the list may be in the own network, but never at a metadata service', async () => {
    const { url, requests } = await recorder()
    const { port } = new URL(url)
    const origin = `http://flights.internal:${port}`
    const { resolve } = resolver(['127.0.0.1'], ['169.254.169.254'])
    const step = made({ commit: { url: `${origin}/a` } }, { allow: [origin], resolve })
    expect(await outcomeOf(step.commit(contextOf()))).toBe('done')
    expect(await outcomeOf(step.commit(contextOf()))).toBe('rejected')
    expect(requests.map(({ url: path, headers }) => [path, headers.host])).toEqual([
      ['/a', `flights.internal:${port}`],
    ])
  })

  test('DNS that changes between the look and the connection is never asked again', async () => {
    const { url, requests } = await recorder()
    const { port } = new URL(url)
    const origin = `http://rebound.example:${port}`
    // Whoever asked a second time would be sent to another place.
    const { resolve, questions } = resolver(['127.0.0.1'], ['127.0.0.2'])
    const step = made({ commit: { url: origin } }, { allow: [origin], resolve })
    expect(await outcomeOf(step.commit(contextOf()))).toBe('done')
    expect([questions, requests.length]).toEqual([['rebound.example'], 1])
  })

  test('a kept connection belongs to its address: a name that has moved gets another one', async () => {
    const { url, requests } = await recorder()
    const { port } = new URL(url)
    const origin = `http://moving.example:${port}`
    const { resolve } = resolver(['127.0.0.1'], ['127.0.0.1'], ['127.0.0.3'])
    const step = made({ commit: { url: origin } }, { allow: [origin], resolve })
    for (const _ of [1, 2]) expect(await outcomeOf(step.commit(contextOf()))).toBe('done')
    expect(await outcomeOf(step.commit(contextOf()))).toBe('rejected 0')
    expect(requests).toHaveLength(2)
  })

  test('the next address is tried where the first one cannot be reached', async () => {
    const { url } = await recorder()
    const origin = `http://two.example:${new URL(url).port}`
    const { resolve } = resolver(['127.0.0.4', '127.0.0.1'])
    const step = made({ commit: { url: origin } }, { allow: [origin], resolve })
    expect(await outcomeOf(step.commit(contextOf()))).toBe('done')
  })

  test('an address that a function makes is judged at the call', async () => {
    const { url, requests } = await recorder()
    const step = made({ commit: { url: () => url } }, { allow: ['https://flights.example'] })
    expect(await outcomeOf(step.commit(contextOf()))).toBe('rejected')
    for (const odd of ['file:///etc/passwd', 'nonsense', '', 7, undefined]) {
      const strange = made({ commit: { url: () => odd } }, { allow: 'any' })
      expect(await outcomeOf(strange.commit(contextOf()))).toBe('rejected')
    }
    expect(requests).toEqual([])
  })
})

/** A commit that says so, and a rollback that failed. */
const never = async (url: string, resolve?: () => Promise<never>) => {
  const step = made({ commit: { url }, rollback: { url } }, { allow: [url], ...(resolve ? { resolve } : {}) })
  expect(await outcomeOf(step.commit(contextOf()))).toBe('rejected 0')
  expect(await outcomeOf(step.rollback(rollbackContext()))).toBe('failed')
}

describe('what was never reached was never sent', () => {
  test('a port on which nobody listens', async () => {
    const server = createTcp()
    const port = await listening(server)
    await new Promise((resolve) => server.close(resolve))
    await never(`http://127.0.0.1:${port}`)
  })

  test.each(['ENOTFOUND', 'EAI_AGAIN'])('a name that is not known: %s', (code) =>
    never('http://nowhere.example', async () => {
      throw Object.assign(new Error(`getaddrinfo ${code}`), { code, syscall: 'getaddrinfo' })
    }),
  )

  test('a connection that does not come about within half of the timeout', async () => {
    const silent = `https://127.0.0.1:${await listening(createTcp())}`
    const step = made({ commit: { url: silent }, timeout: 100 }, { allow: [silent] })
    expect(await outcomeOf(step.commit(contextOf({ signal: within(5_000) })))).toBe('rejected 0')
  })

  test('an event loop that stands still while the participant accepts: it is reached', async () => {
    const { url, requests } = await recorder()
    const step = made({ commit: { url }, timeout: 100 })
    const outcome = outcomeOf(step.commit(contextOf({ signal: within(5_000) })))
    // The connection is asked for in one of these turns, and accepted by the kernel while nobody looks.
    for (let stops = 0; stops < 4; stops++) {
      await turn()
      for (const end = performance.now() + 60; performance.now() < end; );
    }
    expect(await outcome).toBe('done')
    expect(requests).toHaveLength(1)
  })

  test('however many addresses it has, and however they drip, all of it is within half of the timeout', async () => {
    const drip = await listening(
      createTcp((socket) => {
        const timer = setInterval(() => socket.write('\x16'), 20)
        socket.on('close', () => clearInterval(timer))
      }),
    )
    const url = `https://many.example:${drip}`
    const resolve = async () =>
      ['127.0.0.1', '127.0.0.1', '127.0.0.1'].map((address) => ({ address, family: 4 }))
    const step = made({ commit: { url }, timeout: 3_000 }, { allow: [url], resolve })
    const signal = within(3_000)
    expect(await outcomeOf(step.commit(contextOf({ signal })))).toBe('rejected 0')
    expect(signal.aborted).toBe(false)
  })

  test('a name whose look-up does not end', async () => {
    const url = 'https://slow.example'
    const step = made(
      { commit: { url }, timeout: 2_000 },
      { allow: [url], resolve: () => new Promise(() => {}) },
    )
    const signal = within(2_000)
    expect(await outcomeOf(step.commit(contextOf({ signal })))).toBe('rejected 0')
    expect(signal.aborted).toBe(false)
  })

  test('a name that cannot be looked up, of a call that is given up already: nothing is left unheard', async () => {
    const url = 'https://gone.example'
    const step = made({ commit: { url } }, { allow: [url], resolve: () => Promise.reject(new Error('gone')) })
    const unheard: unknown[] = []
    const listen = (error: unknown): void => void unheard.push(error)
    process.on('unhandledRejection', listen)
    afterwards(() => process.off('unhandledRejection', listen))
    expect(await outcomeOf(step.commit(contextOf({ signal: AbortSignal.abort() })))).toBe('rejected 0')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(unheard).toEqual([])
  })

  test('a place in the pool that does not come free: that call was never sent', async () => {
    const heard: unknown[] = []
    const url = await rawServer((socket) => void heard.push(socket))
    const step = made({ commit: { url }, timeout: 4_000 })
    const calls = Array.from({ length: 130 }, () =>
      outcomeOf(step.commit(contextOf({ signal: within(3_000) }))),
    )
    const outcomes = await Promise.all(calls)
    expect(outcomes.filter((outcome) => outcome === 'rejected 0')).toHaveLength(2)
    expect(outcomes.filter((outcome) => outcome === 'in_doubt')).toHaveLength(128)
    expect(heard).toHaveLength(128)
  })

  test('a server that speaks no TLS', async () => {
    const heard: string[] = []
    const port = await listening(
      createTcp((socket) =>
        socket.on('data', (data) => socket.end(heard.push(String(data)) ? 'no\r\n' : '')),
      ),
    )
    await never(`https://127.0.0.1:${port}`)
    expect(heard.join()).not.toContain('HTTP/1.1')
  })
})

describe('certificates', () => {
  /** A server whose certificate is its own, for the name flights.internal and for 127.0.0.1; undefined where none can be made. */
  async function signedByItself() {
    const folder = mkdtempSync(join(tmpdir(), 'backstep-tls-'))
    afterwards(() => rmSync(folder, { recursive: true }))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const name = ['-subj', '/CN=flights', '-addext', 'subjectAltName=DNS:flights.internal,IP:127.0.0.1']
    try {
      execFileSync('openssl', ['req', '-x509', ...how, '-keyout', key, '-out', cert, ...name], {
        stdio: 'ignore',
      })
    } catch {
      console.warn('skipped: certificates: there is no openssl to make one')
      return undefined
    }
    const connections = new Set<unknown>()
    let requests = 0
    const server = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      requests++
      connections.add(request.socket)
      response.end(JSON.stringify(request.headers.host))
    })
    server.on('tlsClientError', () => {})
    return { cert, port: await listening(server), requests: () => requests, connections }
  }

  test('one that nobody has signed: never reached, and nothing was sent', async () => {
    const server = await signedByItself()
    if (!server) return
    await never(`https://127.0.0.1:${server.port}`)
    expect(server.requests()).toBe(0)
  })

  test('one that is trusted must be the name’s, although the connection goes to an address', async () => {
    const server = await signedByItself()
    if (!server) return
    const child = fileURLToPath(new URL('https-child.mjs', import.meta.url))
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: server.cert }
    const { stdout } = await promisify(execFile)(process.execPath, [child, String(server.port)], { env })
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      `flights.internal:${server.port}`,
      `flights.internal:${server.port}`,
      'Rejected ERR_TLS_CERT_ALTNAME_INVALID',
    ])
    expect([server.requests(), server.connections.size]).toEqual([2, 1])
  })
})

test('a step that may not go there fails its saga by name, before any effect', async () => {
  const step = remote({ commit: { url: () => 'http://127.0.0.1:1/' }, rollback })
  const { Orchestrator } = await import('backstep')
  await using orchestrator = await Orchestrator.open('memory:', { log: false })
  await expect(orchestrator.run(saga('a').step('flight', step), undefined)).rejects.toMatchObject({
    reason: 'rejected',
    rolledBack: [],
    cause: {
      message:
        'POST http://127.0.0.1:1/ is not allowed: 127.0.0.1 is in a private range, and the allow-list does not name http://127.0.0.1:1',
    },
  })
})
