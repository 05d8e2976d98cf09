import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** The first of `count` neighbouring ports that are free on 127.0.0.1 now. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    // Below the range from which the kernel takes ports for outgoing connections.
    const base = randomInt(11_000, 31_000)
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)))
    if (free.every(Boolean)) return base
  }
  throw new Error(`no ${count} free ports in a row`)
}

export async function freePort(): Promise<number> {
  return freePorts(1)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
