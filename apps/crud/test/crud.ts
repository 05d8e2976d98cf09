import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createLog } from '@audience-bridge/kit/log.ts'
import { createOutbox } from '@audience-bridge/outbox/outbox.ts'
import { SOURCE } from '../src/reporter.ts'
import { buildCrud } from '../src/server.ts'
import { tokenCheckOf } from '../src/token-check.ts'
import { AUDIENCE, type Issuer, startIssuer } from './issuer.ts'
import { type Receiver, startReceiver } from './receiver.ts'

export interface Crud {
  origin: string
  issuer: Issuer
  receiver: Receiver
  /** Calls as the subject and roles of `claims`; the body is JSON. */
  call(
    method: string,
    path: string,
    claims?: Record<string, unknown>,
    body?: unknown,
  ): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }>
  /** Creates a project and returns its id. */
  project(claims: Record<string, unknown>, input: Record<string, unknown>): Promise<string>
}

/** The service on a real port, with a real issuer and a real receiver of its events. */
export async function startCrud(t: TestContext): Promise<Crud> {
  const dir = mkdtempSync(join(tmpdir(), 'crud-'))
  const issuer = await startIssuer(t)
  const receiver = await startReceiver(t)
  const log = createLog('crud-test', 'silent')
  const outbox = createOutbox({
    path: join(dir, 'events.sqlite'),
    url: receiver.url,
    source: SOURCE,
    token: async () => 'events-token',
    log,
    writeMs: 1,
    flushMs: 1,
    closeMs: 200,
  })
  const check = tokenCheckOf({ issuer: issuer.url, audience: AUDIENCE })
  const app = buildCrud({
    tokenCheck: () => check,
    configStatus: () => ({ version: 'test', loaded_at: '', refused: false, faults: [] }),
    path: join(dir, 'crud.sqlite'),
    ...{ outbox, log },
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(async () => {
    await app.close()
    await outbox.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const crud: Crud = {
    origin,
    issuer,
    receiver,
    async call(method, path, claims = {}, body) {
      const response = await fetch(`${origin}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${issuer.token(claims)}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? {} : JSON.parse(text),
      }
    },
    async project(claims, input) {
      const { status, body } = await crud.call('POST', '/api/projects', claims, input)
      assert.equal(status, 201)
      return String(body.id)
    },
  }
  return crud
}
