import { createServer } from 'node:net'
import { TOKEN_END } from './subject.ts'

/*
 * A backend that costs little: it answers each request with 1 KiB of JSON that names the end of the
 * token it got, once it has read its body, and `…/bytes/N` with N bytes. Prints its port.
 */

const SIZE = 1024
const BLOCK = Buffer.alloc(1024 * 1024, 'x')
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${SIZE}\r\n\r\n`

const server = createServer({ noDelay: true }, (socket) => {
  let pending = ''
  /** Of a body that is on its way, and the head that it belongs to. */
  let bodyLeft = 0
  let head = ''
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    if (bodyLeft >= bytes.length) {
      bodyLeft -= bytes.length
      if (bodyLeft === 0) answer(head)
      return
    }
    pending += bytes.toString('latin1')
    for (;;) {
      if (bodyLeft > 0) {
        const some = Math.min(bodyLeft, pending.length)
        pending = pending.slice(some)
        bodyLeft -= some
        if (bodyLeft > 0) return
        answer(head)
      }
      const end = pending.indexOf('\r\n\r\n')
      if (end === -1) return
      head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      bodyLeft = head.startsWith('GET') ? 0 : lengthOf(head)
      if (bodyLeft === 0) answer(head)
    }
  })
  const answer = (head: string) => {
    const line = head.slice(0, head.indexOf('\r'))
    const at = line.indexOf('/bytes/')
    if (at !== -1) return stream(Number.parseInt(line.slice(at + 7), 10))
    const body = `{"token":"${tokenOf(head)}","pad":"`
    socket.write(`${HEAD}${body.padEnd(SIZE - 2, '.')}"}`, 'latin1')
  }
  const stream = (length: number) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`)
    let left = length
    const more = () => {
      while (left > 0) {
        const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK
        left -= block.length
        if (!socket.write(block)) return void socket.once('drain', more)
      }
    }
    more()
  }
})

function tokenOf(head: string): string {
  const at = head.indexOf('uthorization: Bearer ')
  return at === -1 ? '' : head.slice(at + 21, endOfLine(head, at)).slice(-TOKEN_END)
}

const lengthOf = (head: string) => Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)

const endOfLine = (head: string, from: number) => {
  const at = head.indexOf('\r', from)
  return at === -1 ? head.length : at
}

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})
