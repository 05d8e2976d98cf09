export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'
const IDP = 'https://idp.ocg.labs.empowernow.ai/api/v1'

export const SERVICES = ['analytics_service', 'crud_service', 'idp_service'] as const
export type Service = (typeof SERVICES)[number]

/** What each service must get, under each configuration: audience and scopes. */
export const CONFIGS: Record<Service, [audience: string, scopes: string]>[] = [
  {
    analytics_service: [ANALYTICS, 'api.read'],
    crud_service: [CRUD, 'crud.read crud.write'],
    idp_service: [IDP, 'application.all'],
  },
  {
    analytics_service: [ANALYTICS, 'api.write'],
    crud_service: [CRUD, 'crud.read'],
    idp_service: [IDP, 'application.all'],
  },
  {
    analytics_service: ['empowernow', 'application.all'],
    crud_service: [CRUD, 'application.all'],
    idp_service: [IDP, 'application.all'],
  },
  {
    // Two services change places: what is kept for the one would open the other.
    analytics_service: [CRUD, 'crud.read'],
    crud_service: [ANALYTICS, 'api.read'],
    idp_service: ['empowernow', 'application.all'],
  },
]

/** The text of settings.yaml under one of them. */
export function settingsFor(shipped: string, index: number): string {
  const config = CONFIGS[index]
  if (config === undefined) throw new Error(`no configuration ${index}`)
  const section = (key: string, part: 0 | 1) =>
    `${key}:\n${SERVICES.map((name) => `  ${name}: ${config[name][part]}`).join('\n')}\n`
  // A comment makes each text differ from the one before.
  return `${shipped
    .replace(/^service_audiences:\n(?: .*\n)+/m, section('service_audiences', 0))
    .replace(
      /^service_scopes:\n(?: .*\n)+/m,
      section('service_scopes', 1),
    )}# ${performance.now()}\n`
}
