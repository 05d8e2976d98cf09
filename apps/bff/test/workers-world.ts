import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Edit, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type AppProcess, type Nodes, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { VISITOR_AGENT } from '@audience-bridge/testkit/raw.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { Client } from 'undici'
import { lazily } from './minting.ts'

export const CRUD = '/api/crud/projects'

/** One BFF of two workers before a backend that echoes. */
export async function startWorld(t: TestContext, store: Edit, more: Edit = (text) => text) {
  const echo = await startEcho(t)
  const nodes = await startNodes(t, {
    count: 1,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        lazily,
        replace('server:\n', 'server:\n  workers: 2\n'),
        store,
        more,
      ),
      'BFF/config/routes.yaml': (text) =>
        text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
    },
  })
  const bff = nodes.bffs[0]
  if (bff === undefined) throw new Error('no BFF')
  return { echo, nodes, bff, pin: (number: number) => pinTo(t, bff, number) }
}

/** A connection to one worker. */
export interface Pinned {
  call(
    who: Visitor | undefined,
    path: string,
    init?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<{ status: number; text: string; id: string }>
  client: Client
}

/** New connections go to the workers in turn: one of a few is the wanted one's. */
async function pinTo(t: TestContext, bff: AppProcess, number: number): Promise<Pinned> {
  return until(`a connection to worker ${number}`, async () => {
    const client = new Client(bff.origin)
    const pinned = { client, call: callWith(client) }
    const { id } = await pinned.call(undefined, '/api/auth/session')
    const line = await until('its line', () =>
      bff.logs.find((one) => one.correlation_id === id && one.status !== undefined),
    )
    if (line.worker === number) {
      t.after(() => client.destroy())
      return pinned
    }
    await client.destroy()
    return undefined
  })
}

const callWith =
  (client: Client): Pinned['call'] =>
  async (who, path, init = {}) => {
    const id = randomUUID()
    const answer = await client.request({
      path,
      method: (init.method ?? 'GET') as 'GET',
      body: init.body ?? null,
      headers: {
        'user-agent': VISITOR_AGENT,
        'x-correlation-id': id,
        ...(who === undefined ? {} : { cookie: who.cookie }),
        ...init.headers,
      },
    })
    return { status: answer.statusCode, text: await answer.body.text(), id }
  }

/** The processes that a process has started. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)

export const csrfOf = async (pinned: Pinned, who: Visitor): Promise<string> =>
  JSON.parse((await pinned.call(who, '/api/auth/session')).text).csrf_token

export const asAdmin = ({ adminToken }: Nodes) => ({ authorization: `Bearer ${adminToken}` })

/** A sample of `/metrics`, by name and labels. */
export function sample(text: string, start: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${start} `))
  return Number(line?.split(' ').at(-1))
}
