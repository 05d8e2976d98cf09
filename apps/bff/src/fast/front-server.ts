import { type RequestListener, Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Begun } from '../proxy/exchange.ts'
import { BackendPool } from './backend-pool.ts'
import { ClientConnection, type FastDeps } from './client-connection.ts'
import { CoarseClock } from './coarse-clock.ts'

/**
 * Node's HTTP server with the fast path in front of it. Each connection that it is given is first read by
 * `ClientConnection`; what that does not recognise as a simple request goes, bytes and all, to the
 * listener that Node's server has for new connections, and stays there.
 */
export class FrontServer extends Server {
  readonly #clients = new Set<ClientConnection>()
  readonly #begun = new WeakMap<Socket, Begun>()
  readonly #clock: CoarseClock
  readonly #pool: BackendPool
  readonly #deps: FastDeps

  constructor(
    options: ServerOptions,
    deps: Pick<FastDeps, 'config' | 'channels' | 'admit' | 'settle' | 'log'>,
    listener: (...args: [...Parameters<RequestListener>, begun?: Begun]) => void,
  ) {
    super(options, (req, res) => {
      const begun = this.#begun.get(req.socket)
      this.#begun.delete(req.socket)
      listener(req, res, begun)
    })
    this.#clock = new CoarseClock((now) => {
      this.#pool.look(now)
      for (const client of this.#clients) client.look(now)
    })
    this.#pool = new BackendPool(this.#clock)
    const native = this.listeners('connection')
    this.removeAllListeners('connection')
    this.#deps = {
      ...deps,
      pool: this.#pool,
      clock: this.#clock,
      handOver: (connection, socket, bytes, begun) => {
        this.#clients.delete(connection)
        if (begun !== undefined) this.#begun.set(socket, begun)
        // In one turn, and never paused: the server reads the connection's handle itself, and would
        // overtake bytes that still wait in the stream.
        socket.unshift(bytes)
        for (const listen of native) listen.call(this, socket)
        socket.resume()
      },
      closed: (connection) => this.#clients.delete(connection),
      stopping: () => !this.listening,
      firstMs: () => this.headersTimeout,
      idleMs: () => this.keepAliveTimeout,
      unreadMs: () => deps.config().bridge.settings.server.stall_seconds * 1000,
    }
    this.on('close', () => {
      this.#clock.stop()
      this.#pool.close()
    })
  }

  /** Takes a connection that speaks HTTP/1.1. */
  readonly accept = (socket: Socket): void => {
    this.#clients.add(new ClientConnection(socket, this.#deps))
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections()
    for (const client of this.#clients) client.endIfIdle()
  }

  override closeAllConnections(): void {
    super.closeAllConnections()
    for (const client of this.#clients) client.destroy()
  }
}
