// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import {
  type ConfigFile,
  type Edit,
  type Edits,
  inOrder,
  replace,
} from '@audience-bridge/testkit/config-copy.ts'
import { addAfter } from './shipped.ts'

export const ROUTES = 'BFF/config/routes.yaml'
export const SETTINGS = 'BFF/config/settings.yaml'
const MAPPINGS = 'IdP/config/settings.yaml'
export const CLIENTS = 'IdP/config/clients.yaml'
export const BACKEND = 'Analytics/config/settings.yaml'
export const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'

export const append =
  (text: string): Edit =>
  (before) =>
    `${before.trimEnd()}\n${text}\n`

const everywhere =
  (from: string, to: string): Edit =>
  (text) =>
    text.replaceAll(from, to)

interface Break {
  what: string
  edits: Edits
  /** `code file` of what is found, and a text of its line. */
  finds: [code: string, file: ConfigFile, line: string]
  routes?: string[]
  env?: Record<string, string>
}

export const ALL = ['api-analytics', 'api-crud']

/** Each breaks one thing; check must name exactly it, and its patch must heal it. */
export const BREAKS: Break[] = [
  {
    what: 'an unknown key',
    edits: { [ROUTES]: replace('    upstream_path: /api/{path}', '    upsteam_path: /api/{path}') },
    finds: ['unknown_key', ROUTES, 'upsteam_path'],
  },
  {
    what: 'a key that resembles none',
    edits: { [SETTINGS]: append('zebra: 1') },
    finds: ['unknown_key', SETTINGS, 'zebra'],
  },
  {
    what: 'a word that is almost one of the known',
    edits: { [ROUTES]: replace('auth: session', 'auth: sesion') },
    finds: ['invalid_value', ROUTES, 'sesion'],
  },
  {
    what: 'tokens for a proxy that nobody can tell from others',
    edits: {
      [SETTINGS]: inOrder(
        replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
        append('edge:\n  tokens: true'),
      ),
    },
    finds: ['missing_key', SETTINGS, 'tokens: true'],
  },
  {
    what: 'tokens for a proxy that is not trusted',
    edits: { [SETTINGS]: append(`edge:\n  tokens: true\n  secret: ${'x'.repeat(32)}`) },
    finds: ['missing_key', SETTINGS, 'trusted_proxies: []'],
  },
  {
    what: 'a method in other letters',
    edits: { [ROUTES]: replace('[GET, POST, PUT', '[get, POST, PUT') },
    finds: ['invalid_value', ROUTES, '[get'],
  },
  {
    what: 'a number as text',
    edits: { [SETTINGS]: replace('idle_seconds: 1800', 'idle_seconds: "1800"') },
    finds: ['invalid_value', SETTINGS, '"1800"'],
  },
  {
    what: 'a text that looks like a number',
    edits: { [SETTINGS]: replace('path: ${BRIDGE_DATA:-.data}/bff/sessions.sqlite', 'path: 42') },
    finds: ['invalid_value', SETTINGS, 'path: 42'],
  },
  {
    what: 'a list as text',
    edits: {
      [CLIENTS]: replace(
        'scopes: [openid, profile, email, offline_access, admin.api, application.all]',
        'scopes: openid profile email offline_access admin.api application.all',
      ),
    },
    finds: ['invalid_value', CLIENTS, 'scopes: openid'],
  },
  {
    what: 'a text as list',
    edits: {
      [SETTINGS]: replace(
        '"openid profile email application.all offline_access"',
        '[openid, profile, email, application.all, offline_access]',
      ),
    },
    finds: ['invalid_value', SETTINGS, 'oauth_scopes'],
  },
  {
    what: 'scopes with commas',
    edits: { [SETTINGS]: replace('"openid profile email', '"openid,  profile email') },
    finds: ['invalid_value', SETTINGS, 'oauth_scopes'],
  },
  {
    what: 'a missing section that may be empty',
    edits: {
      [SETTINGS]: (text) => text.replace(/\nsession:\n( {2}.*\n)+/, '\n'),
    },
    finds: ['missing_key', SETTINGS, 'server:'],
  },
  {
    what: 'a duplicate id',
    edits: { [ROUTES]: replace('id: api-crud', 'id: api-analytics') },
    finds: ['duplicate_id', ROUTES, 'id: api-analytics'],
  },
  {
    what: 'a shadowed route',
    edits: {
      [ROUTES]: append(
        '\n  - {id: late, path: /api/crud/*, target_service: crud_service, auth: session}',
      ),
    },
    finds: ['route_shadowed', ROUTES, 'id: late'],
  },
  {
    what: 'a route that is wholly shadowed',
    edits: {
      [ROUTES]: append(
        '\n  - {id: late, path: /api/crud/*, methods: [GET], target_service: crud_service, auth: session}',
      ),
    },
    finds: ['route_shadowed', ROUTES, 'id: late'],
  },
  {
    what: 'a capture that the path does not have',
    edits: { [ROUTES]: replace('upstream_path: /api/{path}', 'upstream_path: /api/{pth}') },
    finds: ['unknown_capture', ROUTES, '{pth}'],
  },
  {
    what: 'two ways to write the upstream path',
    edits: { [ROUTES]: append('    preserve_path: true') },
    finds: ['conflicting_keys', ROUTES, 'preserve_path'],
  },
  {
    what: 'WebSockets without GET',
    edits: {
      [ROUTES]: append(
        '\n  - {id: live, path: /live, methods: [POST], websocket: true, target_service: crud_service, auth: session}',
      ),
    },
    finds: ['conflicting_keys', ROUTES, 'websocket'],
  },
  {
    what: 'a V1 entry unlike the V2 one',
    edits: {
      [SETTINGS]: append(
        `service_tokens:\n  crud_service: {audience: https://old, scopes: [crud.read, crud.write]}`,
      ),
    },
    finds: ['conflicting_audience', SETTINGS, 'https://old'],
  },
  {
    what: 'V1 scopes unlike the V2 ones',
    edits: {
      [SETTINGS]: append(
        `service_tokens:\n  analytics_service: {audience: ${ANALYTICS}, scopes: [application.all]}`,
      ),
    },
    finds: ['conflicting_scopes', SETTINGS, 'application.all]'],
  },
  {
    what: 'a cookie prefix with a domain',
    edits: {
      [SETTINGS]: addAfter('session:', '  cookie_domain: localhost\n  cookie_name: __Host-x'),
    },
    finds: ['cookie_prefix', SETTINGS, '__Host-x'],
  },
  {
    what: 'an idle limit beyond the absolute one',
    edits: { [SETTINGS]: replace('idle_seconds: 1800', 'idle_seconds: 99999') },
    finds: ['invalid_value', SETTINGS, '99999'],
  },
  {
    what: 'a setting that nothing implements',
    edits: { [SETTINGS]: append('kafka: {enabled: true}') },
    finds: ['not_implemented', SETTINGS, 'kafka'],
  },
  {
    what: 'a template variable without a source',
    edits: { [SETTINGS]: replace('port: ${BFF_PORT:-8080}', 'port: ${BFF_PORT}') },
    finds: ['variable_missing', SETTINGS, 'port: ${BFF_PORT}'],
  },
  {
    what: 'a template that never closes',
    edits: { [SETTINGS]: replace('port: ${BFF_PORT:-8080}', 'port: ${BFF_PORT:-8080') },
    finds: ['template_unclosed', SETTINGS, 'port: ${BFF_PORT'],
  },
  {
    what: 'a number as key',
    edits: { [SETTINGS]: addAfter('service_audiences:', '  1: https://one') },
    finds: ['key_not_text', SETTINGS, '1: https://one'],
  },
  {
    what: 'a misspelt target_service',
    edits: { [ROUTES]: replace('target_service: crud_service', 'target_service: crud_servise') },
    finds: ['target_service_unknown', ROUTES, 'crud_servise'],
    routes: ['api-crud'],
  },
  {
    what: 'a service missing from service_audiences, which its own settings tell',
    edits: { [SETTINGS]: replace(`  analytics_service: ${ANALYTICS}\n`, '') },
    finds: ['service_audience_missing', SETTINGS, '  crud_service: https://crud'],
    routes: ['api-analytics'],
  },
  {
    what: 'a service missing from service_audiences, which the mappings tell by its name',
    edits: {
      [SETTINGS]: inOrder(
        replace(`  analytics_service: ${ANALYTICS}\n`, ''),
        replace('  analytics_service: ../../Analytics/config/settings.yaml\n', ''),
      ),
    },
    finds: ['service_audience_missing', SETTINGS, '  crud_service: https://crud'],
    routes: ['api-analytics'],
  },
  {
    what: 'a service under a misspelt name in service_audiences',
    edits: {
      [SETTINGS]: replace(`analytics_service: ${ANALYTICS}`, `analytcs_service: ${ANALYTICS}`),
    },
    finds: ['service_audience_missing', SETTINGS, 'analytcs_service'],
    routes: ['api-analytics'],
  },
  {
    what: 'an audience with a trailing slash in the map',
    edits: {
      [SETTINGS]: replace(`analytics_service: ${ANALYTICS}`, `analytics_service: ${ANALYTICS}/`),
    },
    finds: ['audience_differs', SETTINGS, `${ANALYTICS}/`],
    routes: ['api-analytics'],
  },
  {
    what: 'the audience of another service in the map',
    edits: {
      [SETTINGS]: replace(
        `analytics_service: ${ANALYTICS}`,
        'analytics_service: https://crud.ocg.labs.empowernow.ai',
      ),
    },
    finds: ['audience_differs', SETTINGS, 'analytics_service: https://crud'],
    routes: ['api-analytics'],
  },
  {
    what: 'an audience in other letters at the IdP',
    edits: { [MAPPINGS]: everywhere(ANALYTICS, 'https://Analytics.ocg.labs.empowernow.ai') },
    finds: ['audience_unmapped', MAPPINGS, '- https://Analytics'],
    routes: ['api-analytics'],
  },
  {
    what: 'an audience with a slash among the allowed',
    edits: { [CLIENTS]: replace(`    - ${ANALYTICS}\n`, `    - ${ANALYTICS}/\n`) },
    finds: ['audience_not_allowed', CLIENTS, `- ${ANALYTICS}/`],
    routes: ['api-analytics'],
  },
  {
    what: 'a backend that expects another audience',
    edits: { [BACKEND]: replace(`audience: ${ANALYTICS}`, `audience: ${ANALYTICS}/`) },
    finds: ['backend_audience_differs', BACKEND, `audience: ${ANALYTICS}/`],
    routes: ['api-analytics'],
  },
  {
    what: 'a backend that trusts another issuer',
    edits: {
      [BACKEND]: replace(
        'issuer: ${IDP_ISSUER:-http://localhost:${IDP_PORT:-8002}/api/oidc}',
        'issuer: http://localhost:8002/',
      ),
    },
    finds: ['backend_issuer_differs', BACKEND, 'issuer: http://localhost:8002/'],
    routes: ['api-analytics'],
  },
  {
    what: 'an audience in no mapping',
    edits: {
      [MAPPINGS]: inOrder(
        everywhere(`          - ${ANALYTICS}\n`, ''),
        everywhere(`[${ANALYTICS}]`, '[https://other]'),
      ),
    },
    finds: ['audience_unmapped', MAPPINGS, 'scope: application.all'],
    routes: ['api-analytics'],
  },
  {
    what: 'an audience that is mapped only under a scope that the login does not request',
    edits: { [SETTINGS]: replace('email application.all offline', 'email offline') },
    finds: ['login_scope_missing', SETTINGS, 'oauth_scopes'],
  },
  {
    what: 'a scope that is missing from the scopes of the client',
    edits: { [CLIENTS]: replace('admin.api, application.all]', 'admin.api]') },
    finds: ['client_scope_missing', CLIENTS, 'scopes: [openid'],
    routes: ALL,
  },
  {
    what: 'an audience that is missing from allowed_audiences',
    edits: { [CLIENTS]: replace(`    - empowernow\n    - ${ANALYTICS}\n`, '    - empowernow\n') },
    finds: ['audience_not_allowed', CLIENTS, '- empowernow'],
    routes: ['api-analytics'],
  },
  {
    what: 'a service scope that leads elsewhere',
    edits: { [SETTINGS]: replace('analytics_service: api.read', 'analytics_service: crud.read') },
    finds: ['service_scope_astray', SETTINGS, 'analytics_service: crud.read'],
    routes: ['api-analytics'],
  },
  {
    what: 'a service scope in a list that leads elsewhere',
    edits: {
      [SETTINGS]: replace(
        'analytics_service: api.read',
        'analytics_service: {scopes: [api.reed], requires: any}',
      ),
    },
    finds: ['service_scope_astray', SETTINGS, 'api.reed'],
    routes: ['api-analytics'],
  },
  {
    what: 'a service scope that the login does not imply',
    edits: { [MAPPINGS]: replace('implies: [api.read, ', 'implies: [') },
    finds: ['service_scope_astray', MAPPINGS, 'implies: [api.write'],
    routes: ['api-analytics'],
  },
  {
    what: 'a machine token for which client and login lack the same scope',
    edits: {
      [SETTINGS]: append('service_mint: {analytics_service: client_credentials}'),
      [CLIENTS]: replace('admin.api, application.all]', 'admin.api]'),
    },
    finds: ['client_scope_missing', CLIENTS, 'scopes: [openid'],
  },
  {
    what: 'a machine token that only the client lacks a scope for',
    edits: {
      [SETTINGS]: inOrder(
        append('service_mint: {analytics_service: client_credentials}'),
        replace('email application.all offline', 'email crud.all offline'),
      ),
      [CLIENTS]: replace('application.all]', 'crud.all]'),
      [MAPPINGS]: replace(
        '      - scope: api.read\n',
        '      - {scope: crud.all, audiences: ["https://crud.ocg.labs.empowernow.ai"], implies: [crud.read, crud.write]}\n      - scope: api.read\n',
      ),
    },
    finds: ['login_scope_missing', CLIENTS, 'scopes: [openid'],
    routes: ['api-analytics'],
  },
  {
    what: 'a client that the IdP does not know',
    edits: { [SETTINGS]: replace('client_id: bff-server', 'client_id: bff-sever') },
    finds: ['client_unknown', SETTINGS, 'bff-sever'],
    routes: ALL,
  },
  {
    what: 'a disabled client',
    edits: { [CLIENTS]: replace('bff-server:\n', 'bff-server:\n  enabled: false\n') },
    finds: ['client_disabled', CLIENTS, 'enabled: false'],
    routes: ALL,
  },
  {
    what: 'a client without the grant type of the mint',
    edits: { [CLIENTS]: replace('    - urn:ietf:params:oauth:grant-type:token-exchange\n', '') },
    finds: ['client_grant_missing', CLIENTS, '- authorization_code'],
  },
  {
    what: 'a login token for a service that the login is not for',
    edits: { [SETTINGS]: append('service_mint: {analytics_service: login_token}') },
    finds: ['mint_unfit', SETTINGS, 'login_token'],
    routes: ['api-analytics'],
  },
  {
    what: 'a redirect URI that is not registered',
    edits: { [CLIENTS]: replace('}/auth/callback', '}/auth/callback/') },
    finds: ['redirect_uri_missing', CLIENTS, '/auth/callback/'],
    routes: ALL,
  },
  {
    what: 'an issuer that is not the one of the IdP',
    edits: { [SETTINGS]: replace('}/api/oidc}', '}/api/oidc/}') },
    finds: ['issuer_differs', SETTINGS, 'issuer:'],
    routes: ALL,
  },
  {
    what: 'an IdP that calls itself otherwise than everybody else does',
    edits: { [MAPPINGS]: replace('}/api/oidc}', '}/api/oidc/}') },
    finds: ['issuer_differs', SETTINGS, 'issuer:'],
    routes: ALL,
  },
  {
    what: 'a cookie over plain http',
    edits: {
      [SETTINGS]: replace(
        'public_url: ${BFF_PUBLIC_URL:-http://localhost:${BFF_PORT:-8080}}',
        'public_url: http://app.example.com',
      ),
      [CLIENTS]: replace(
        '- ${BFF_PUBLIC_URL:-http://localhost:${BFF_PORT:-8080}}/auth/callback',
        '- http://app.example.com/auth/callback\n    - https://app.example.com/auth/callback',
      ),
    },
    finds: ['cookie_insecure', SETTINGS, 'public_url'],
    routes: ALL,
  },
  {
    what: 'a cookie domain that does not cover the host',
    edits: { [SETTINGS]: addAfter('session:', '  cookie_domain: .example.com') },
    finds: ['cookie_domain_foreign', SETTINGS, 'cookie_domain'],
    routes: ALL,
  },
]
