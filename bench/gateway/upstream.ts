import { createServer } from 'node:net'

/*
 * A backend that costs little: it answers each GET with 1 KiB of JSON that names the end of the
 * token it got, and `/big` with 100 MB. Prints its port.
 */

const SIZE = 1024
const BIG = 100 * 1024 * 1024
const BLOCK = Buffer.alloc(1024 * 1024, 'x')
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${SIZE}\r\n\r\n`

const server = createServer({ noDelay: true }, (socket) => {
  let pending = ''
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    pending += bytes.toString('latin1')
    let end = pending.indexOf('\r\n\r\n')
    while (end !== -1) {
      const head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      if (head.slice(0, head.indexOf('\r')).includes('/big ')) sendBig()
      else {
        const at = head.indexOf('uthorization: Bearer ')
        const token = at === -1 ? '' : head.slice(at + 21, endOfLine(head, at)).slice(-24)
        const body = `{"token":"${token}","pad":"`
        socket.write(`${HEAD}${body.padEnd(SIZE - 2, '.')}"}`, 'latin1')
      }
      end = pending.indexOf('\r\n\r\n')
    }
  })
  const sendBig = () => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BIG}\r\n\r\n`)
    let left = BIG
    const more = () => {
      while (left > 0) {
        left -= BLOCK.length
        if (!socket.write(BLOCK)) return void socket.once('drain', more)
      }
    }
    more()
  }
})

const endOfLine = (head: string, from: number) => {
  const at = head.indexOf('\r', from)
  return at === -1 ? head.length : at
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})
