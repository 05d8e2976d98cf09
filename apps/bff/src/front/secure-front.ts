import { constants, performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Logger } from '@audience-bridge/kit/log.ts'
import type { FrontTls } from '../front-tls.ts'
import { answerProblem } from '../problems.ts'
import { readStream } from './stream-request.ts'
import { StreamSocket } from './stream-socket.ts'

/**
 * Those that HTTP/2 allows (RFC 9113 §9.2.2), with forward secrecy, besides all of TLS 1.3: an eavesdropper who
 * once gets the key reads nothing of before.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** How long a handshake may take, and how long a connection may have no stream. */
const HANDSHAKE_MS = 10_000
const IDLE_MS = 60_000
/** When a silent peer is asked whether it is still there. */
const KEEP_ALIVE_MS = 60_000

/**
 * What one peer may ask of the process. The attacks are all of one kind, cheap to send and dear to hear: streams
 * that are opened and reset (CVE-2023-44487), heads without an end (CONTINUATION flood, CVE-2024-27316),
 * pings, settings and empty frames.
 */
const LIMITS = {
  // A backend's field that comes twice goes on as over HTTP/1.1, and does not throw.
  strictSingleValueFields: false,
  settings: {
    enableConnectProtocol: true,
    enablePush: false,
    maxConcurrentStreams: 128,
    maxHeaderListSize: 16_384,
    initialWindowSize: 262_144,
  },
  maxSettings: 16,
  maxOutstandingPings: 4,
  maxOutstandingSettings: 4,
  maxHeaderListPairs: 128,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxSessionMemory: 16,
  streamResetBurst: 200,
  streamResetRate: 20,
}

/** Gives connections to the gateway, whatever they spoke: TLS, and in it HTTP/1.1 or HTTP/2. */
export class SecureFront {
  readonly #tls: () => FrontTls | undefined
  readonly #accept: (socket: Socket) => void
  readonly #unreadMs: () => number
  readonly #log: Logger
  readonly #sessions = new Set<ServerHttp2Session>()
  #server: Server | undefined
  #id = ''
  #stopping = false

  /**
   * @param tls undefined: connections are plain.
   * @param accept takes one that speaks HTTP/1.1.
   */
  constructor(deps: {
    tls: () => FrontTls | undefined
    accept: (socket: Socket) => void
    unreadMs: () => number
    log: Logger
  }) {
    this.#tls = deps.tls
    this.#accept = deps.accept
    this.#unreadMs = deps.unreadMs
    this.#log = deps.log
  }

  readonly enter = (socket: Socket): void => {
    const tls = this.#tls()
    if (tls === undefined) this.#accept(socket)
    else this.#serverOf(tls).emit('connection', socket)
  }

  /** Says to all peers that no more streams are taken; those under way go on. */
  stop(): void {
    this.#stopping = true
    for (const session of this.#sessions) session.close()
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy()
  }

  /** Connections that are open keep the certificate that they began with. */
  #serverOf({ cert, key, id }: FrontTls): Server {
    const context = { cert, key, minVersion: 'TLSv1.2' as const, ciphers: CIPHERS }
    if (this.#server === undefined) {
      this.#server = createServer({
        ...context,
        ALPNProtocols: ['h2', 'http/1.1'],
        handshakeTimeout: HANDSHAKE_MS,
      })
        .on('secureConnection', (socket) => this.#begin(socket))
        // Scanners, and peers that do not trust us: no error of ours, and no news either.
        .on('tlsClientError', (_cause, socket) => socket.destroy())
    } else if (id !== this.#id) {
      this.#server.setSecureContext(context)
      this.#log.info('the certificate has changed; new connections get the new one')
    }
    this.#id = id
    return this.#server
  }

  #begin(socket: TLSSocket): void {
    if (socket.alpnProtocol !== 'h2') return this.#accept(socket)
    const session = performServerHandshake(socket, LIMITS)
    this.#sessions.add(session)
    session.on('close', () => this.#sessions.delete(session))
    session.on('error', () => session.destroy())
    session.setTimeout(IDLE_MS, () => session.close())
    // An HTTP server's connections may be half open. The attack: open streams, and leave; each would keep its
    // place, its channel and its backend.
    socket.once('end', () => session.destroy())
    // Some go without a word, and a WebSocket asks for nothing that they could fail to answer.
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    session.on('stream', (stream, _headers, flags, raw: string[] = []) => {
      stream.on('error', () => {})
      const reading = readStream(raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
      if (reading.kind === 'malformed') return stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      if (reading.kind === 'refused') {
        const { status, headers, body } = answerProblem(
          'BAD_REQUEST',
          reading.detail,
          crypto.randomUUID(),
        )
        stream.respond({ ':status': status, ...headers })
        stream.end(body)
        return
      }
      this.#accept(new StreamSocket(stream, reading, socket, this.#unreadMs()) as unknown as Socket)
    })
    if (this.#stopping) session.close()
  }
}
