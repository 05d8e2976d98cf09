import type { BridgeSources } from '@audience-bridge/chain/bridge-config.ts'

/** A configuration as a large organisation has it, as texts by file name. */
export function largeConfig(
  services: number,
  routes: number,
  damage?: 'every audience misspelt',
): { files: Record<string, string>; sources: BridgeSources } {
  const all = Array.from({ length: services }, (_, i) => i)
  const audience = (i: number) => `https://service-${i}.example.com`
  const files = {
    'BFF/config/routes.yaml': [
      'version: "1.0"',
      '',
      'services:',
      ...all.map(
        (i) => `  service_${i}:\n    base_url: http://service-${i}.internal:8000\n    timeout: 30`,
      ),
      '',
      'routes:',
      ...Array.from({ length: routes }, (_, i) =>
        [
          `  - id: route-${i}`,
          `    description: Resource ${i} of service ${i % services}`,
          `    path: /api/v1/service-${i % services}/resource-${i}/*`,
          `    target_service: service_${i % services}`,
          `    upstream_path: /resource-${i}/{path}`,
          '    methods: [GET, POST, PUT, DELETE]',
          '    auth: session',
          '',
        ].join('\n'),
      ),
    ].join('\n'),
    'BFF/config/settings.yaml': [
      'server:',
      '  port: 8080',
      '  public_url: http://localhost:8080',
      'auth:',
      '  issuer: http://localhost:8002/api/oidc',
      '  client_id: bff-server',
      '  client_secret: file:secret',
      '  oauth_scopes: "openid profile email application.all offline_access"',
      'session: {}',
      'store:',
      '  path: sessions.sqlite',
      '  key: file:key',
      'service_audiences:',
      ...all.map((i) => `  service_${i}: ${audience(i)}${damage === undefined ? '' : '/'}`),
      'service_scopes:',
      ...all.map((i) => `  service_${i}: s${i}.read s${i}.write`),
      'idp_config_dir: ../../IdP/config',
      '',
    ].join('\n'),
    'IdP/config/settings.yaml': [
      'server:',
      '  port: 8002',
      '  issuer: http://localhost:8002/api/oidc',
      'token:',
      '  audience_mappings:',
      '    scope_mappings:',
      '      - scope: application.all',
      `        audiences: [empowernow]`,
      '        implies:',
      ...all.map((i) => `          - s${i}.read\n          - s${i}.write`),
      ...all.map(
        (i) =>
          `      - scope: s${i}.read\n        audiences: [${audience(i)}]\n      - scope: s${i}.write\n        audiences: [${audience(i)}]`,
      ),
      'accounts:',
      '  users: users.yaml',
      'store:',
      '  path: idp.sqlite',
      '  keys: keys.json',
      '',
    ].join('\n'),
    'IdP/config/clients.yaml': [
      'bff-server:',
      '  client_secret: file:secret',
      '  grant_types:',
      '    - authorization_code',
      '    - refresh_token',
      '    - urn:ietf:params:oauth:grant-type:token-exchange',
      '  redirect_uris: [http://localhost:8080/auth/callback]',
      '  scopes: [openid, profile, email, offline_access, application.all]',
      '  allowed_audiences:',
      ...all.map((i) => `    - ${audience(i)}`),
      '',
    ].join('\n'),
  }
  const source = (file: keyof typeof files) => ({ file, text: files[file] })
  return {
    files,
    sources: {
      routes: source('BFF/config/routes.yaml'),
      settings: source('BFF/config/settings.yaml'),
      idp: {
        settings: source('IdP/config/settings.yaml'),
        clients: source('IdP/config/clients.yaml'),
      },
    },
  }
}
