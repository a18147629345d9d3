/**
 * A participant of node:http that is sent a megabyte in chunks of one byte, and prints what it answered and the most memory that this took,
 * in MB.
 */
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { barrier, commitHandler } from 'backstep/barrier'
import Database from 'better-sqlite3'

const guard = barrier(new Database(':memory:'))
const server = createServer(commitHandler(guard, (body) => ({ digits: String(body).length }))).listen(
  0,
  '127.0.0.1',
)
await new Promise((resolve) => server.once('listening', resolve))

const head =
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\nIdempotency-Key: u:a:commit\r\n\r\n'
const part = `1\r\n7\r\n`.repeat(10_000)

const answered = () =>
  new Promise((resolve, reject) => {
    const socket = connect(server.address().port, '127.0.0.1')
    socket.on('error', reject).once('data', (data) => resolve(String(data).split('\r\n', 1)[0]))
    socket.write(`${head}1\r\n"\r\n`)
    let left = 104
    const more = () => {
      while (left-- > 0) if (!socket.write(part)) return socket.once('drain', more)
      socket.write('1\r\n"\r\n0\r\n\r\n')
    }
    more()
  })

let most = 0
setInterval(() => {
  most = Math.max(most, process.memoryUsage().rss)
}, 5)
const said = await answered()
process.stdout.write(JSON.stringify({ said, most: Math.round(most / 1e6) }))
process.exit()
