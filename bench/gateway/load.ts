import { connect, type Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Caller } from './subject.ts'

/*
 * Load over keep-alive connections, every answer of which is checked: its status, its length, and the
 * token that the backend got for that very session. Gets its order as JSON on its standard input,
 * prints what it saw.
 *
 * Closed loop: as many requests under way as the order says, the next when one is answered, each on
 * the connection that has waited longest. Open loop (`rate`): so many requests a second whatever
 * becomes of them; a latency counts from when its request was due, so that a subject that stalls is
 * charged for all who wait meanwhile.
 */

export interface Order {
  port: number
  /** Asked for in turn. */
  paths: readonly string[]
  callers: readonly Caller[]
  agent: string
  connections: number
  /** Requests at once in the closed loop. */
  underWay: number
  seconds: number
  /** Requests a second of the open loop; undefined: closed loop. */
  rate?: number
}

export interface Seen {
  requests: number
  perSecond: number
  p50Us: number
  p99Us: number
  wrong: number
  example: string
  /** Connections that the subject closed while they waited. */
  reopened: number
}

interface Connection {
  socket: Socket
  got: string
  /** When its request was due; undefined: it is idle. */
  dueAt: number | undefined
  who: number
}

const order = (await json(process.stdin)) as Order
const latencies: number[] = []
/** Idle connections, longest first, from `firstIdle` on. */
let idle: Connection[] = []
let firstIdle = 0
/** Due requests that no connection was free for. */
const waiting: number[] = []
let underWay = 0
let wrong = 0
let example = ''
let reopened = 0
let turn = 0
let ending = false
const ended = Promise.withResolvers<void>()

const texts = Array.from({ length: lcm(order.callers.length, order.paths.length) }, (_, i) => {
  const path = order.paths[i % order.paths.length]
  const cookie = order.callers[i % order.callers.length]?.cookie
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${order.agent}\r\nAccept: application/json\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nCookie: ${cookie}\r\n\r\n`
})
const tokens = order.callers.map(({ token }) => `"token":"${token}"`)

function ask(connection: Connection, dueAt: number): void {
  connection.who = turn++ % texts.length
  connection.dueAt = dueAt
  underWay++
  connection.socket.write(texts[connection.who] ?? '', 'latin1')
}

/** Whoever has waited longest; undefined: all are busy. */
function nextIdle(): Connection | undefined {
  const connection = idle[firstIdle]
  if (connection === undefined) return undefined
  firstIdle++
  if (firstIdle > 1024 && firstIdle * 2 > idle.length) {
    idle = idle.slice(firstIdle)
    firstIdle = 0
  }
  return connection
}

function answered(connection: Connection): void {
  const now = performance.now()
  latencies.push(now - (connection.dueAt ?? now))
  free(connection)
  if (order.rate === undefined && !ending) {
    const next = nextIdle()
    if (next !== undefined) ask(next, now)
  }
}

function free(connection: Connection): void {
  connection.dueAt = undefined
  connection.got = ''
  underWay--
  idle.push(connection)
  const due = waiting.shift()
  const next = due === undefined ? undefined : nextIdle()
  if (due !== undefined && next !== undefined) ask(next, due)
  else if (ending && underWay === 0) ended.resolve()
}

function read(connection: Connection, bytes: Buffer): void {
  connection.got += bytes.toString('latin1')
  const { got } = connection
  const end = got.indexOf('\r\n\r\n')
  if (end === -1) return
  const length = /content-length: (\d+)/i.exec(got)?.[1]
  const whole = end + 4 + Number(length ?? 0)
  if (got.length < whole) return
  const good =
    got.startsWith('HTTP/1.1 200') &&
    got.length === whole &&
    got.includes(tokens[connection.who % tokens.length] ?? '')
  if (!good) {
    wrong++
    example ||= got.slice(0, 600)
  }
  answered(connection)
}

function open(connection?: Connection): Promise<Connection> {
  const socket = connect({ port: order.port, host: '127.0.0.1', noDelay: true })
  const own = connection ?? { socket, got: '', dueAt: undefined, who: 0 }
  own.socket = socket
  socket.on('data', (bytes: Buffer) => read(own, bytes))
  socket.on('error', (cause) => {
    example ||= String(cause)
  })
  socket.on('close', () => {
    if (ending && own.dueAt === undefined) return
    if (own.dueAt === undefined) reopened++
    else {
      wrong++
      free(own)
    }
    // What is written before it is connected waits for that.
    if (reopened + wrong < order.connections * 10) void open(own)
    else ended.resolve()
  })
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(own)).once('error', reject)
  })
}

for (let i = 0; i < order.connections; i += 200) {
  const some = Math.min(200, order.connections - i)
  idle.push(...(await Promise.all(Array.from({ length: some }, () => open()))))
}

const begunAt = performance.now()
const endAt = begunAt + order.seconds * 1000
if (order.rate === undefined) {
  for (let i = 0; i < order.underWay; i++) {
    const connection = nextIdle()
    if (connection !== undefined) ask(connection, performance.now())
  }
  setTimeout(stop, order.seconds * 1000)
} else arrive(order.rate / 1000, begunAt, 0)
await ended.promise
const seconds = (performance.now() - begunAt) / 1000

/**
 * Bunches of requests, one about each millisecond: no timer of Node is finer. A bunch is due when the
 * timer calls; but a timer that is late by more than a bunch is this machine's stall, and counts.
 */
function arrive(perMs: number, lastAt: number, sent: number): void {
  const now = performance.now()
  if (now >= endAt) return stop()
  const due = Math.floor((now - begunAt) * perMs)
  const dueAt = now - lastAt > 3 ? lastAt + 2 : now
  for (let i = sent; i < due; i++) {
    const connection = nextIdle()
    if (connection === undefined) waiting.push(dueAt)
    else ask(connection, dueAt)
  }
  setTimeout(arrive, 1, perMs, now, due)
}

function stop(): void {
  ending = true
  if (underWay === 0) ended.resolve()
}

latencies.sort((a, b) => a - b)
const at = (share: number) =>
  Math.round((latencies[Math.floor(latencies.length * share)] ?? 0) * 1000)
const seen: Seen = {
  requests: latencies.length,
  perSecond: Math.round(latencies.length / seconds),
  p50Us: at(0.5),
  p99Us: at(0.99),
  ...{ wrong, example, reopened },
}
process.stdout.write(JSON.stringify(seen), () => process.exit())

function lcm(a: number, b: number): number {
  let product = a
  while (product % b !== 0) product += a
  return product
}
