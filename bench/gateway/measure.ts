import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Order, Seen } from './load.ts'
import { CORES, cpuMs, onCore, outputOf, rssKb } from './process.ts'
import type { Subject } from './subject.ts'

export interface Load {
  perSecond: number
  cpuUs: number
  p50Us: number
  p99Us: number
}

/** One turn of load, in a process of its own; fails unless every answer is as it must be. */
export async function measureLoad(
  { name, port, path, agent, callers, pids }: Subject,
  how: { connections: number; seconds: number; underWay?: number; rate?: number; paths?: string[] },
): Promise<Load> {
  const order: Order = {
    ...{ port, agent, callers, paths: [path], underWay: how.connections },
    ...how,
  }
  const before = cpuMs(pids)
  const load = onCore(CORES.others, process.execPath, [join(import.meta.dirname, 'load.ts')], {
    stdin: 'pipe',
  })
  load.stdin?.end(JSON.stringify(order))
  const { requests, wrong, example, perSecond, p50Us, p99Us } = await outputOf<Seen>(load)
  if (wrong > 0) throw new Error(`${name}: ${wrong} wrong answers, as ${example}`)
  return { perSecond, cpuUs: ((cpuMs(pids) - before) * 1000) / requests, p50Us, p99Us }
}

const BLOCK = Buffer.alloc(1024 * 1024, 'x')

/** How long a body of `bytes` takes, from the first byte of the request to the last of the answer. */
export async function measureBody(
  { name, port, path, agent, callers }: Subject,
  way: 'download' | 'upload',
  bytes: number,
): Promise<number> {
  const { cookie = '', csrf } = callers[0] ?? {}
  const begunAt = performance.now()
  const sent = request({
    ...{ port, host: '127.0.0.1', agent: false },
    path: way === 'download' ? `${path}/bytes/${bytes}` : path,
    method: way === 'download' ? 'GET' : 'POST',
    headers: {
      ...{ host: 'localhost', cookie, 'user-agent': agent },
      ...(csrf === undefined ? {} : { 'x-csrf-token': csrf }),
      ...(way === 'download' ? {} : { 'content-length': bytes }),
    },
  })
  const answer = once(sent, 'response')
  if (way === 'upload') {
    for (let left = bytes; left > 0; left -= BLOCK.length) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK
      if (!sent.write(block)) await Promise.race([once(sent, 'drain'), answer])
    }
  }
  sent.end()
  const [response] = await answer
  let got = 0
  response.on('data', (chunk: Buffer) => {
    got += chunk.length
  })
  await finished(response)
  const took = performance.now() - begunAt
  if (response.statusCode !== 200 || (way === 'download' && got !== bytes)) {
    throw new Error(`${name}: a ${way} of ${bytes} ended with ${response.statusCode}, ${got} bytes`)
  }
  return took
}

export const mbPerSecond = (bytes: number, ms: number) => bytes / 1048576 / (ms / 1000)

/** Memory in KB with so many connections that have had an answer each, and wait. */
export async function measureIdle(
  subject: Subject,
  counts: readonly number[],
): Promise<(number | undefined)[]> {
  const { port, path, agent, callers } = subject
  const text = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${agent}\r\nCookie: ${callers[0]?.cookie}\r\n\r\n`
  const sockets: Socket[] = []
  const openOne = async () => {
    const socket = connect({ port, host: '127.0.0.1' })
    sockets.push(socket)
    socket.on('error', () => {})
    const answered = once(socket, 'data')
    socket.write(text)
    await answered
    socket.resume()
  }
  const sizes: (number | undefined)[] = []
  for (const count of counts) {
    while (sockets.length < count) {
      await Promise.all(Array.from({ length: Math.min(20, count - sockets.length) }, openOne))
    }
    // A subject that has closed some of them is not measured with them.
    const open = sockets.filter((socket) => !socket.destroyed).length
    sizes.push(open >= count * 0.99 ? rssKb(subject.pids) : undefined)
  }
  for (const socket of sockets) socket.destroy()
  return sizes
}
