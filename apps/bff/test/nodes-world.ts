import type { TestContext } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Nodes, startNodes } from '@audience-bridge/testkit/nodes.ts'
import { startRedis, withRedis } from '@audience-bridge/testkit/redis.ts'
import type { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { lazily } from './minting.ts'

/** By service: how it is called, and exactly whom its tokens are for. */
export const SERVICES = {
  analytics: {
    path: '/api/v1/analytics/x',
    audience: 'https://analytics.ocg.labs.empowernow.ai',
  },
  crud: { path: '/api/crud/x', audience: 'https://crud.ocg.labs.empowernow.ai' },
  idp: { path: '/api/idp/x', audience: 'https://idp.ocg.labs.empowernow.ai/api/v1' },
  reports: { path: '/api/reports/x', audience: 'https://idp.ocg.labs.empowernow.ai/api/admin' },
} as const
export type Service = keyof typeof SERVICES
export const NAMES = Object.keys(SERVICES) as Service[]

/** Two BFFs on one Redis, four services, and nothing minted ahead. */
export async function startPair(t: TestContext, how: string, more: { routes?: string } = {}) {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const route = (id: string, path: string, service: string) =>
    `  - id: ${id}\n    path: ${path}\n    target_service: ${service}\n    auth: session\n`
  const nodes = await startNodes(t, {
    count: 2,
    edits: {
      'BFF/config/settings.yaml': inOrder(
        lazily,
        replace('auth:\n', 'auth:\n  idp_timeout_seconds: 60\n'),
        withRedis(redis, redis.directory),
        (text) => text.replace(/events:\n(?: .*\n)+/, ''),
        replace(
          'service_audiences:\n',
          `service_audiences:\n  reports_service: ${SERVICES.reports.audience}\n`,
        ),
        // What the refresh token carries: a refresh never narrows below it.
        (text) =>
          text.replace(
            /service_scopes:\n(?: {2}.*\n)+/,
            `service_scopes:\n${NAMES.map((name) => `  ${name}_service: application.all\n`).join('')}`,
          ),
        (text) =>
          `${text}\nservice_mint:\n${NAMES.map((name) => `  ${name}_service: ${how}\n`).join('')}`,
      ),
      'BFF/config/routes.yaml': inOrder(
        (text) => text.replaceAll(/base_url: .*/g, `base_url: ${echo.origin}`),
        replace(
          'services:\n',
          `services:\n  idp_service:\n    base_url: ${echo.origin}\n  reports_service:\n    base_url: ${echo.origin}\n`,
        ),
        (text) =>
          `${text}\n${route('idp', '/api/idp/*', 'idp_service')}${route('reports', '/api/reports/*', 'reports_service')}${more.routes ?? ''}`,
      ),
    },
  })
  return { redis, echo, nodes }
}

export async function signInMany(nodes: Nodes, count: number): Promise<Visitor[]> {
  const visitors: Visitor[] = []
  // A few at a time: each login hashes a password.
  while (visitors.length < count) {
    const some = Math.min(5, count - visitors.length)
    visitors.push(...(await Promise.all(Array.from({ length: some }, () => nodes.signedIn()))))
  }
  return visitors
}
