import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { openSqliteStore } from '../src/session/store-sqlite.ts'
import { storeKeysFrom } from '../src/session/ticket.ts'
import { Idp } from '../src/tokens/idp.ts'
import { IdpLink, type IdpSettings } from '../src/tokens/idp-link.ts'
import { openKeyRings } from '../src/tokens/key-rings.ts'

export type TokenEndpoint = (
  req: IncomingMessage,
  res: ServerResponse,
  form: URLSearchParams,
) => void | Promise<void>

/** An IdP of another make, as far as a test needs one: its discovery and its token endpoint. */
export async function startSomeIdp(
  t: TestContext,
  token: TokenEndpoint,
  more: {
    metadata?: (origin: string) => Record<string, unknown>
    tls?: { cert: string; key: string; ca: string }
  } = {},
) {
  let origin = ''
  const paths: string[] = []
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const path = (req.url ?? '').split('?', 1)[0] ?? ''
    paths.push(path)
    if (path === '/.well-known/openid-configuration') {
      const endpoints = { token_endpoint: `${origin}/token`, jwks_uri: `${origin}/jwks` }
      const authorize = { authorization_endpoint: `${origin}/authorize` }
      res.setHeader('content-type', 'application/json')
      res.end(
        JSON.stringify({ issuer: origin, ...endpoints, ...authorize, ...more.metadata?.(origin) }),
      )
      return
    }
    let body = ''
    for await (const chunk of req) body += chunk
    await token(req, res, new URLSearchParams(body))
  }
  const server: Server = more.tls
    ? createTlsServer({ ...more.tls, requestCert: true, rejectUnauthorized: false }, answer)
    : createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  origin = `${more.tls ? 'https' : 'http'}://localhost:${port}`
  return { origin, paths }
}

export function giveToken(res: ServerResponse, more: Record<string, unknown> = {}): void {
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify({ access_token: 'x', token_type: 'Bearer', expires_in: 60, ...more }))
}

/** The BFF's client of it, with key rings of its own. */
export function clientOf(t: TestContext, issuer: string, settings: Partial<IdpSettings> = {}) {
  const log = createLog('test', 'silent')
  const store = openSqliteStore(join(temporaryDirectory(t), 'sessions.sqlite'), log)
  const clock = () => Math.floor(Date.now() / 1000)
  const rings = openKeyRings({
    ...{ store, clock, log },
    storeKeys: storeKeysFrom(['a key of the store with 32 characters']),
    rules: () => ({ rotateAfterSeconds: 86_400, retireAfterSeconds: 172_800 }),
  })
  t.after(async () => {
    rings.close()
    await store.close()
  })
  const counts = new Map<string, number>()
  const link = new IdpLink(
    {
      ...{ issuer, clientId: 'bff', tls: undefined, dpop: false, timeoutSeconds: 5 },
      ...{ clockToleranceSeconds: 60, authMethod: 'private_key_jwt', clientSecret: undefined },
      ...settings,
    } as IdpSettings,
    rings,
    {
      request(endpoint, status) {
        const key = `${endpoint} ${status}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      },
    },
  )
  return { idp: new Idp(link), rings, counts }
}
