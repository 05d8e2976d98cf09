import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dayOf, history } from '@audience-bridge/demo/history.ts'
import { ingest } from '@audience-bridge/demo/ingest.ts'
import { createOrganisation } from '@audience-bridge/demo/organisation.ts'
import { createLog } from '@audience-bridge/kit/log.ts'
import { readSecret } from '@audience-bridge/kit/secret.ts'
import { clientCredentialsToken } from '@audience-bridge/outbox/client-credentials.ts'
import type { System } from '@audience-bridge/testkit/system.ts'

/** The last days of the demo's organisation, sent in through the public endpoint. */
export async function addHistory(system: System, days: number): Promise<number> {
  const users = JSON.parse(readFileSync(join(system.data, 'secrets/demo-users.json'), 'utf8'))
  const untilMs = Date.now()
  return ingest(
    {
      url: `${system.analytics}/api/v1/analytics/events`,
      token: clientCredentialsToken({
        issuer: `${system.idp}/api/oidc`,
        clientId: 'crud-service',
        clientSecret: readSecret(`file:${join(system.data, 'secrets/crud-service.secret')}`),
        audience: 'https://analytics.ocg.labs.empowernow.ai',
        scope: 'api.write',
      }),
      log: createLog('history', 'error'),
      signal: AbortSignal.timeout(90_000),
    },
    history(createOrganisation(1, users), {
      anchorDay: dayOf(untilMs),
      fromMs: untilMs - days * 86_400_000,
      untilMs,
    }),
  )
}
