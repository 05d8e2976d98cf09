import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { accessOf } from '../src/access.ts'
import type { Engine } from '../src/engine/engine.ts'
import { openEmbedded } from '../src/engine/engine-chdb.ts'
import { migrate } from '../src/engine/migrate.ts'
import { buildAnalytics } from '../src/server.ts'

export const AUDIENCE = 'https://analytics.ocg.labs.empowernow.ai'

export interface TokenWish {
  sub?: string
  scope?: string
  roles?: string[]
  aud?: string | string[]
}

/** A real issuer on a free port: discovery, keys, and tokens as the IdP makes them. */
export async function startIssuer() {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }
  let issuer = ''
  const server = createServer((request, response) => {
    const discovery = { issuer, jwks_uri: `${issuer}/jwks` }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify(request.url?.includes('openid-configuration') ? discovery : { keys: [jwk] }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/oidc`
  return {
    issuer,
    token(wish: TokenWish = {}): Promise<string> {
      return new SignJWT({
        scope: wish.scope ?? 'api.read api.write',
        roles: wish.roles ?? ['analyst'],
        client_id: 'bff-server',
        act: { sub: 'bff-server' },
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(wish.aud ?? AUDIENCE)
        .setSubject(wish.sub ?? 'reader')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export interface World {
  origin: string
  engine: Engine
  issuer: string
  token(wish?: TokenWish): Promise<string>
  /** GET with a token; the parsed body beside the response. */
  get(path: string, wish?: TokenWish): Promise<{ response: Response; body: unknown }>
  post(
    events: unknown,
    wish?: TokenWish,
    type?: string,
  ): Promise<{ response: Response; body: unknown }>
}

/**
 * Starts the service; stopped after the tests of the file. Once a file: the embedded engine serves
 * one directory a process. `nowMs` fixes the service's clock.
 */
export async function startWorld(nowMs?: () => number): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'analytics-'))
  const idp = await startIssuer()
  const engine = await openEmbedded(join(directory, 'chdb'))
  await migrate(engine)
  const access = accessOf({
    auth: { issuer: idp.issuer, audience: AUDIENCE },
    reader_roles: ['admin', 'analyst'],
  })
  const app = buildAnalytics({
    engine,
    access: () => access,
    configStatus: () => ({ version: access.version, loaded_at: '', refused: false, faults: [] }),
    log: createLog('analytics', process.env.LOG_LEVEL ?? 'silent'),
    ...(nowMs === undefined ? {} : { nowMs }),
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  after(async () => {
    await app.close()
    await engine.close()
    idp.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const send = async (path: string, init: RequestInit, wish?: TokenWish) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${await idp.token(wish)}`)
    const response = await fetch(origin + path, { ...init, headers })
    return { response, body: (await response.json()) as unknown }
  }
  return {
    origin,
    engine,
    issuer: idp.issuer,
    token: idp.token,
    get: (path, wish) => send(path, {}, wish),
    post: (events, wish, type = 'application/json') =>
      send(
        '/api/v1/analytics/events',
        { method: 'POST', body: JSON.stringify(events), headers: { 'content-type': type } },
        wish,
      ),
  }
}
