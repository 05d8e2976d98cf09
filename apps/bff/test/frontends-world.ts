// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import type { TestContext } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { type Echo, startEcho } from '@audience-bridge/testkit/echo.ts'
import {
  type Gateway,
  type GatewayOptions,
  startGateway,
} from '@audience-bridge/testkit/gateway.ts'
import { type PartnerIdp, preparePartnerIdp } from '@audience-bridge/testkit/partner-idp.ts'

export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
export const CRUD = 'https://crud.ocg.labs.empowernow.ai'

/** The page of another origin that each frontend trusts. */
export const SPA = {
  first: 'https://spa.example',
  desk: 'https://desk-spa.example',
  shop: 'https://shop-spa.example',
} as const

/** One BFF, three frontends, two IdPs: the users of `shop` sign in at the partner's. */
export interface FrontendsWorld {
  gateway: Gateway
  partner: PartnerIdp
  echo: Echo
  origins: { first: string; desk: string; shop: string }
}

const FRONTENDS = `
cors:
  allow_origins: [${SPA.first}]
frontends:
  desk:
    public_url: http://desk.localhost:\${BFF_PORT}
    oauth_scopes: openid profile application.all offline_access
    cors:
      allow_origins: [${SPA.desk}]
  shop:
    public_url: http://shop.localhost:\${BFF_PORT}
    idp: partner
    cors:
      allow_origins: [${SPA.shop}]
`

const IDPS = `
idps:
  - name: partner
    provider: acme
    issuer: \${PARTNER_ISSUER}
    audience: ${CRUD}
    client_id: bff-server
    client_secret: \${PARTNER_SECRET}
    claims_mapping:
      roles:
        - source: roles
`

export const EDITS = {
  'BFF/config/settings.yaml': (text) => `${text}${FRONTENDS}`,
  'BFF/config/idps.yaml': () => IDPS,
  'IdP/config/clients.yaml': inOrder(
    replace(
      '  redirect_uris:\n',
      '  redirect_uris:\n    - http://desk.localhost:${BFF_PORT}/auth/callback\n',
    ),
    replace(
      '  post_logout_redirect_uris:\n',
      '  post_logout_redirect_uris:\n    - http://desk.localhost:${BFF_PORT}/\n',
    ),
  ),
} satisfies Edits

export async function startFrontends(
  t: TestContext,
  options: Pick<GatewayOptions, 'edits' | 'clock'> = {},
): Promise<FrontendsWorld> {
  const partner = await preparePartnerIdp(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    ...options,
    edits: { ...EDITS, ...options.edits },
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    env: { PARTNER_ISSUER: partner.issuer, PARTNER_SECRET: partner.clientSecret },
  })
  const { port } = new URL(gateway.bff)
  const origins = {
    first: gateway.bff,
    desk: `http://desk.localhost:${port}`,
    shop: `http://shop.localhost:${port}`,
  }
  await partner.start(origins.shop)
  return { gateway, partner, echo, origins }
}
