import type { TestContext } from 'node:test'
import { type Edit, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { type Gateway, startGateway } from '@audience-bridge/testkit/gateway.ts'

export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
export const CRUD = 'https://crud.ocg.labs.empowernow.ai'
export const PATHS = { analytics: '/api/v1/analytics/workflows', crud: '/api/crud/projects' }

/** Keys added to settings.yaml, ahead of `session`. */
export const adding = (yaml: string): Edit => replace('session:\n', `${yaml}\n\nsession:\n`)
/** Nothing is minted ahead. */
export const lazily: Edit = replace('auth:\n', 'auth:\n  eager_services: []\n')

/** A gateway whose two services are one echo. */
export async function startMinting(t: TestContext, settings: Edit) {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: { 'BFF/config/settings.yaml': settings },
  })
  return { echo, gateway }
}

/** The tokens that the IdP issued for an audience. */
export const issued = ({ idpLogs }: Gateway, audience: string) =>
  idpLogs.filter(({ message, aud }) => message === 'token issued' && aud === audience)
