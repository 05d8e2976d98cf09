import { connect, type Socket } from 'node:net'

/*
 * A closed loop over keep-alive connections, each request when the last is answered. Every answer is
 * checked: its status, its length, and the token that the backend got for that very session. Gets its
 * order as JSON in the first argument, prints what it saw.
 */

export interface Order {
  port: number
  path: string
  /** Cookies of the sessions, and what the token of each ends with; without them, one nameless caller. */
  sessions: { cookie: string; token: string }[]
  agent: string
  connections: number
  seconds: number
}

export interface Seen {
  requests: number
  perSecond: number
  p50Us: number
  p99Us: number
  wrong: number
  example: string
}

const order = JSON.parse(process.argv[2] ?? '') as Order
const latencies: number[] = []
let requests = 0
let wrong = 0
let example = ''
let turn = 0
const endAt = performance.now() + order.seconds * 1000

const texts = order.sessions.map(
  ({ cookie }) =>
    `GET ${order.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${order.agent}\r\nAccept: application/json\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nCookie: ${cookie}\r\n\r\n`,
)

function run(socket: Socket): void {
  let got = ''
  let sentAt = 0
  let who = 0
  const send = () => {
    who = turn++ % texts.length
    sentAt = performance.now()
    socket.write(texts[who] ?? '', 'latin1')
  }
  socket.on('data', (bytes: Buffer) => {
    got += bytes.toString('latin1')
    const end = got.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = /content-length: (\d+)/i.exec(got)?.[1]
    const whole = end + 4 + Number(length ?? 0)
    if (got.length < whole) return
    const now = performance.now()
    latencies.push(now - sentAt)
    requests++
    const good =
      got.startsWith('HTTP/1.1 200') &&
      got.length === whole &&
      got.includes(`"token":"${order.sessions[who]?.token}"`)
    if (!good) {
      wrong++
      example ||= got.slice(0, 600)
    }
    got = ''
    if (now < endAt) send()
    else socket.end()
  })
  socket.on('error', () => {
    wrong++
  })
  send()
}

const begunAt = performance.now()
const sockets = Array.from({ length: order.connections }, () => {
  const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
  socket.once('connect', () => run(socket))
  return new Promise<void>((resolve) => socket.once('close', () => resolve()))
})
await Promise.all(sockets)
latencies.sort((a, b) => a - b)
const at = (share: number) =>
  Math.round((latencies[Math.floor(latencies.length * share)] ?? 0) * 1000)
const seen: Seen = {
  requests,
  perSecond: Math.round(requests / ((performance.now() - begunAt) / 1000)),
  p50Us: at(0.5),
  p99Us: at(0.99),
  wrong,
  example,
}
process.stdout.write(JSON.stringify(seen))
