// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ConfigFile,
  type Edit,
  type Edits,
  inOrder,
  replace,
} from '@audience-bridge/testkit/config-copy.ts'
import { readBridgeConfig } from '../src/bridge-config.ts'
import { type Chain, judgeChain } from '../src/chain.ts'
import { addAfter, shipped, soundConfig } from './shipped.ts'

const ROUTES = 'BFF/config/routes.yaml'
const SETTINGS = 'BFF/config/settings.yaml'
const MAPPINGS = 'IdP/config/settings.yaml'
const CLIENTS = 'IdP/config/clients.yaml'
const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const CRUD = 'https://crud.ocg.labs.empowernow.ai'

const everywhere =
  (from: string, to: string): Edit =>
  (text) =>
    text.replaceAll(from, to)

const append =
  (line: string): Edit =>
  (text) =>
    `${text.trimEnd()}\n${line}\n`

function chainOf(route: string, edits: Edits): Chain {
  const config = soundConfig(edits)
  const compiled = config.compiled.find((one) => one.route.id === route)
  assert.ok(compiled)
  return judgeChain(config, compiled)
}

/** `link state` of every link that does not hold. */
const astray = ({ links }: Chain) =>
  links.filter(({ state }) => state !== 'holds').map(({ link, state }) => `${link} ${state}`)

test('every link of the shipped files holds and says why', () => {
  const config = soundConfig()
  for (const route of config.compiled) {
    const chain = judgeChain(config, route)
    assert.deepEqual(astray(chain), [])
    assert.equal(chain.broken, undefined)
    assert.equal(chain.links.length, 14)
    for (const link of chain.links) assert.ok(link.state === 'holds' && link.evidence !== '')
  }
})

/** Links that need to know what token is wanted. */
const OF_THE_TOKEN = [
  'client_grants',
  'scope_mapping',
  'login_scope',
  'service_scopes',
  'allowed_audiences',
]
const OF_THE_BACKEND = ['backend_audience', 'backend_issuer']

interface Break {
  what: string
  file: ConfigFile
  edit: Edit
  /** The link that breaks, and those after it that nobody can judge then. */
  link: string
  unknown?: string[]
  code: string
  /** A text of the line that must be named; the first such line of the file. */
  line: string
  at?: ConfigFile
  found: RegExp
  mend: RegExp
  heal: Edit
  route?: string
}

const breaks: Break[] = [
  {
    what: 'a misspelt target_service',
    file: ROUTES,
    edit: replace('target_service: analytics_service', 'target_service: analytics_servise'),
    link: 'target_service',
    unknown: ['service_audience', ...OF_THE_TOKEN, ...OF_THE_BACKEND],
    code: 'target_service_unknown',
    line: 'target_service: analytics_servise',
    found: /"analytics_servise"/,
    mend: /did you mean "analytics_service"\?/,
    heal: replace('analytics_servise', 'analytics_service'),
  },
  {
    what: 'a service without a base_url',
    file: ROUTES,
    edit: replace('  analytics_service:\n', '  reports:\n'),
    link: 'target_service',
    code: 'target_service_unknown',
    line: 'target_service: analytics_service',
    found: /"analytics_service", which services does not have/,
    mend: /add services\.analytics_service\.base_url/,
    heal: replace('services:\n', 'services:\n  analytics_service: {base_url: "http://a:1"}\n'),
  },
  {
    what: 'a service that is not in the map',
    file: SETTINGS,
    edit: replace(`  analytics_service: ${ANALYTICS}\n`, ''),
    link: 'service_audience',
    unknown: [...OF_THE_TOKEN, 'backend_audience'],
    code: 'service_audience_missing',
    line: `crud_service: ${CRUD}`,
    found: /no entry for "analytics_service" in service_audiences$/,
    mend: /add "analytics_service: .*" to service_audiences/,
    heal: addAfter('service_audiences:', `  analytics_service: ${ANALYTICS}`),
  },
  {
    what: 'a service under a misspelt name in the map',
    file: SETTINGS,
    edit: replace(`analytics_service: ${ANALYTICS}`, `analytic_service: ${ANALYTICS}`),
    link: 'service_audience',
    unknown: [...OF_THE_TOKEN, 'backend_audience'],
    code: 'service_audience_missing',
    line: `analytic_service: ${ANALYTICS}`,
    found: /there is "analytic_service"/,
    mend: /rename "analytic_service" to "analytics_service" in service_audiences/,
    heal: replace('analytic_service', 'analytics_service'),
  },
  {
    what: 'a client that the IdP does not know',
    file: SETTINGS,
    edit: replace('client_id: bff-server', 'client_id: bff-srver'),
    link: 'client',
    unknown: ['redirect_uri', 'client_scopes', 'client_grants', 'allowed_audiences'],
    code: 'client_unknown',
    line: 'client_id: bff-srver',
    found: /"bff-srver"/,
    mend: /did you mean "bff-server"\?/,
    heal: replace('bff-srver', 'bff-server'),
  },
  {
    what: 'a disabled client',
    file: CLIENTS,
    edit: replace('bff-server:\n', 'bff-server:\n  enabled: false\n'),
    link: 'client',
    code: 'client_disabled',
    line: 'enabled: false',
    found: /disabled/,
    mend: /delete bff-server\.enabled/,
    heal: replace('  enabled: false\n', ''),
  },
  {
    what: 'a client that proves itself otherwise than the IdP expects',
    file: SETTINGS,
    edit: replace(
      'token_endpoint_auth_method: private_key_jwt',
      'token_endpoint_auth_method: client_secret_post\n  client_secret: x',
    ),
    link: 'client',
    code: 'client_auth_differs',
    line: 'token_endpoint_auth_method: client_secret_post',
    found: /client_secret_post.*private_key_jwt/,
    mend: /clients\.yaml to client_secret_post/,
    heal: replace('client_secret_post', 'private_key_jwt'),
  },
  {
    what: "an exchange of the login's bound token for one that is bound to nothing",
    file: SETTINGS,
    edit: replace('auth:\n', 'auth:\n  dpop: true\n'),
    link: 'client_grants',
    code: 'mint_unfit',
    line: 'dpop: true',
    found: /auth\.dpop/,
    mend: /service_dpop\.analytics_service: true/,
    heal: replace('  dpop: true\n', ''),
  },
  {
    what: 'a login scope that the client may not ask for',
    file: CLIENTS,
    edit: replace('admin.api, application.all]', 'admin.api]'),
    link: 'client_scopes',
    code: 'client_scope_missing',
    line: 'scopes: [openid',
    found: /bff-server\.scopes without "application\.all"/,
    mend: /add application\.all to bff-server\.scopes/,
    heal: replace('admin.api]', 'admin.api, application.all]'),
  },
  {
    what: 'an audience that no scope leads to',
    file: MAPPINGS,
    edit: everywhere(ANALYTICS, 'https://elsewhere.example.com'),
    link: 'scope_mapping',
    unknown: ['login_scope', 'service_scopes'],
    code: 'audience_unmapped',
    line: 'scope: application.all',
    found: /no scope that leads to "https:\/\/analytics/,
    mend: /add "https:\/\/analytics.*" to the audiences of api\.read/,
    heal: everywhere('https://elsewhere.example.com', ANALYTICS),
  },
  {
    what: 'a mapped audience with a trailing slash',
    file: MAPPINGS,
    edit: everywhere(ANALYTICS, `${ANALYTICS}/`),
    link: 'scope_mapping',
    unknown: ['login_scope', 'service_scopes'],
    code: 'audience_unmapped',
    line: `- ${ANALYTICS}/`,
    found: /empowernow\.ai\/"; they differ by a trailing slash/,
    mend: /write "https:\/\/analytics.*" in scope_mappings/,
    heal: everywhere(`${ANALYTICS}/`, ANALYTICS),
  },
  {
    what: 'a mapped audience in other letters',
    file: MAPPINGS,
    edit: everywhere(CRUD, 'https://CRUD.ocg.labs.empowernow.ai'),
    route: 'api-crud',
    link: 'scope_mapping',
    unknown: ['login_scope', 'service_scopes'],
    code: 'audience_unmapped',
    line: '- https://CRUD.ocg',
    found: /they differ by upper and lower case/,
    mend: /write "https:\/\/crud.*" in scope_mappings/,
    heal: everywhere('https://CRUD.ocg', 'https://crud.ocg'),
  },
  {
    what: 'a login that asks for no scope that leads there',
    file: SETTINGS,
    edit: replace('email application.all offline', 'email offline'),
    link: 'login_scope',
    unknown: ['service_scopes'],
    code: 'login_scope_missing',
    line: 'oauth_scopes:',
    found: /none of which leads to "https:\/\/analytics/,
    mend: /add application\.all to auth\.oauth_scopes/,
    heal: replace('email offline', 'email application.all offline'),
  },
  {
    what: 'a service scope that leads to another audience',
    file: SETTINGS,
    edit: replace('analytics_service: api.read', 'analytics_service: api.read crud.read'),
    link: 'service_scopes',
    code: 'service_scope_astray',
    line: 'analytics_service: api.read crud.read',
    found: /^"crud\.read", which does not lead to/,
    mend: /set service_scopes\.analytics_service to api\.read$/,
    heal: replace('api.read crud.read', 'api.read'),
  },
  {
    what: 'a service scope that does not exist',
    file: SETTINGS,
    edit: replace('crud_service: crud.read crud.write', 'crud_service: crud.reed'),
    route: 'api-crud',
    link: 'service_scopes',
    code: 'service_scope_astray',
    line: 'crud_service: crud.reed',
    found: /^"crud\.reed"/,
    mend: /set service_scopes\.crud_service to crud\.read$/,
    heal: replace('crud.reed', 'crud.read'),
  },
  {
    what: 'a service scope that no login scope implies',
    file: MAPPINGS,
    edit: replace('implies: [api.read, ', 'implies: ['),
    link: 'service_scopes',
    code: 'service_scope_astray',
    line: 'implies: [api.write',
    found: /^"api\.read", which does not lead to/,
    mend: /add api\.read to the implies of application\.all/,
    heal: replace('implies: [', 'implies: [api.read, '),
  },
  {
    what: 'an audience that the client may not ask for',
    file: CLIENTS,
    edit: replace(`    - empowernow\n    - ${ANALYTICS}\n`, '    - empowernow\n'),
    link: 'allowed_audiences',
    code: 'audience_not_allowed',
    line: '- empowernow',
    found: /bff-server\.allowed_audiences without "https:\/\/analytics/,
    mend: /add "https:\/\/analytics.*" to bff-server\.allowed_audiences/,
    heal: replace('    - empowernow\n', `    - empowernow\n    - ${ANALYTICS}\n`),
  },
  {
    what: 'an allowed audience with a trailing slash',
    file: CLIENTS,
    edit: replace(`    - ${ANALYTICS}\n`, `    - ${ANALYTICS}/\n`),
    link: 'allowed_audiences',
    code: 'audience_not_allowed',
    line: `- ${ANALYTICS}/`,
    found: /they differ by a trailing slash/,
    mend: /to bff-server\.allowed_audiences/,
    heal: replace(`    - ${ANALYTICS}/\n`, `    - ${ANALYTICS}\n`),
  },
]

test('one thing amiss breaks exactly its link, and its mend heals it', async (t) => {
  for (const { what, file, edit, link, unknown = [], route = 'api-analytics', ...told } of breaks) {
    await t.test(what, () => {
      const edits = { [file]: edit }
      const chain = chainOf(route, edits)
      assert.deepEqual(astray(chain), [
        `${link} broken`,
        ...unknown.map((later) => `${later} unknown`),
      ])
      const { broken } = chain
      assert.equal(broken?.code, told.code)
      assert.match(broken?.found ?? '', told.found)
      assert.match(broken?.mend ?? '', told.mend)
      assert.notEqual(broken?.expected, '')

      const at = told.at ?? file
      const lines = textOf(edits, at).split('\n')
      assert.equal(broken?.at?.file, at)
      assert.equal(broken?.at?.line, 1 + lines.findIndex((text) => text.includes(told.line)))

      assert.deepEqual(astray(chainOf(route, { [file]: inOrder(edit, told.heal) })), [])
    })
  }
})

function textOf(edits: Edits, file: ConfigFile): string {
  const { routes, settings, idp, backends } = shipped(edits)
  const others = idp === undefined ? [] : [idp.settings, idp.clients]
  const sources = [routes, settings, ...others, ...Object.values(backends ?? {})]
  return sources.find((source) => source.file === file)?.text ?? ''
}

test('the break of one route leaves the other whole', () => {
  const edits = { [SETTINGS]: replace(`  analytics_service: ${ANALYTICS}\n`, '') }
  assert.deepEqual(astray(chainOf('api-crud', edits)), [])
})

test('an audience with which the map stands alone is told once, at the map', () => {
  const chain = chainOf('api-analytics', {
    [SETTINGS]: replace(`analytics_service: ${ANALYTICS}`, `analytics_service: ${ANALYTICS}/`),
  })
  assert.deepEqual(
    astray(chain),
    ['service_audience', ...OF_THE_TOKEN, 'backend_audience'].map((link, i) =>
      i === 0 ? `${link} broken` : `${link} unknown`,
    ),
  )
  assert.equal(chain.broken?.at?.file, SETTINGS)
  assert.equal(chain.broken?.found, `"${ANALYTICS}/"; they differ by a trailing slash`)
})

test('without the files of the IdP its links are unknown, and never called whole', () => {
  const { routes, settings } = shipped()
  const { config } = readBridgeConfig({ routes, settings }, {})
  assert.ok(config?.compiled[0])
  assert.deepEqual(astray(judgeChain(config, config.compiled[0])), [
    ...['idp_issuer', 'client', 'redirect_uri', 'client_scopes', ...OF_THE_TOKEN].map(
      (link) => `${link} unknown`,
    ),
    ...OF_THE_BACKEND.map((link) => `${link} unknown`),
  ])
})

test('a bearer route needs an audience to hold callers to, and no token of ours', () => {
  const bearer: Edits = {
    [ROUTES]: replace(
      'upstream_path: /api/v1/analytics/{path}\n    auth: session',
      'upstream_path: /api/v1/analytics/{path}\n    auth: bearer',
    ),
  }
  const later = ['redirect_uri', 'cookie', ...OF_THE_TOKEN]
  const unknown = later.map((link) => `${link} unknown`)
  assert.deepEqual(astray(chainOf('api-analytics', bearer)), unknown)
  const unmapped = { ...bearer, [SETTINGS]: replace(`  analytics_service: ${ANALYTICS}\n`, '') }
  assert.deepEqual(astray(chainOf('api-analytics', unmapped)), [
    'service_audience broken',
    ...unknown,
    'backend_audience unknown',
  ])
})

test('one scope that leads there is enough where any is required', () => {
  const any = (scopes: string): Edits => ({
    [SETTINGS]: replace(
      'analytics_service: api.read',
      `analytics_service: {scopes: ${scopes}, requires: any}`,
    ),
  })
  assert.deepEqual(astray(chainOf('api-analytics', any('[nothing, api.read]'))), [])
  assert.deepEqual(astray(chainOf('api-analytics', any('[nothing, crud.read]'))), [
    'service_scopes broken',
  ])
})

test('a machine token is reached from the scopes of the client, not of the login', () => {
  const edits: Edits = {
    [SETTINGS]: inOrder(
      replace('email application.all offline', 'email offline'),
      append('service_mint: {crud_service: client_credentials}'),
    ),
  }
  assert.deepEqual(astray(chainOf('api-crud', edits)), [])
  assert.deepEqual(astray(chainOf('api-analytics', edits)), [
    'login_scope broken',
    'service_scopes unknown',
  ])
})
