import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { LOCAL_HOSTS } from '@audience-bridge/chain/local-hosts.ts'
import { Counter, Registry } from 'prom-client'
import type { AuditContext, AuditError } from './audit.ts'
import { EXCHANGE_GRANT } from './exchange.ts'

/** What the IdP counts. Labels are bounded: registered clients, known grants and errors. */
export interface Metrics {
  granted(ctx: AuditContext): void
  refused(ctx: AuditContext, error: AuditError): void
  readonly contentType: string
  text(): Promise<string>
}

const GRANTS = new Set([
  'authorization_code',
  'refresh_token',
  'client_credentials',
  EXCHANGE_GRANT,
])

export function createMetrics(): Metrics {
  const registry = new Registry()
  const grants = new Counter({
    name: 'idp_token_grants_total',
    help: 'Requests to the token endpoint: granted, or the error that they got.',
    labelNames: ['grant_type', 'client', 'outcome'],
    registers: [registry],
  })
  const count = ({ oidc: { client, params } }: AuditContext, outcome: string) => {
    const wanted = String(params?.grant_type)
    grants.inc({
      // The attack: a sender's inventions, each of which would be a line for ever.
      grant_type: GRANTS.has(wanted) ? wanted : 'other',
      client: client?.clientId ?? 'unknown',
      outcome,
    })
  }
  return {
    granted: (ctx) => count(ctx, 'granted'),
    refused: (ctx, { error }) => count(ctx, error),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()

/**
 * Who may read them: whoever has the administrator's token, or, where there is none, this machine.
 * The attack: a proxy on this machine, or a page whose host name was led here, asks for somebody else.
 */
export function mayRead(req: IncomingMessage, token: Buffer | undefined): boolean {
  if (token !== undefined) {
    const sent = /^Bearer (\S{1,512})$/i.exec(req.headers.authorization ?? '')?.[1]
    return sent !== undefined && timingSafeEqual(hashToken(sent), token)
  }
  const { host, forwarded, via, 'x-forwarded-for': forwardedFor } = req.headers
  const peer = (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const direct = forwarded === undefined && via === undefined && forwardedFor === undefined
  const name = URL.parse(`http://${host}`)?.hostname ?? ''
  return direct && LOCAL_HOSTS.has(name) && (peer === '::1' || peer.startsWith('127.'))
}
