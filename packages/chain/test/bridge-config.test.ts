// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { readBridgeConfig } from '../src/bridge-config.ts'
import { formatFault } from '../src/fault.ts'
import { requirementOf } from '../src/requirement.ts'
import { upstreamPath } from '../src/route-table.ts'
import { addAfter, faultsWith, shipped, soundConfig } from './shipped.ts'

const ROUTES = 'BFF/config/routes.yaml'
const SETTINGS = 'BFF/config/settings.yaml'
const append = (lines: string) => (text: string) => `${text.trimEnd()}\n${lines}\n`

test('the shipped files are sound', () => {
  const { compiled } = soundConfig()
  assert.deepEqual(
    compiled.map(({ route }) => route.id),
    ['api-analytics', 'api-crud'],
  )
})

test('a documented key that nothing implements is refused, not ignored', async (t) => {
  const crud = '    target_service: crud_service'
  const service = '  crud_service:'
  const routes: [what: string, key: string, after: string, line: string][] = [
    // Whoever writes this believes that a decision point guards the route.
    ['authz: pdp', 'routes.1.authz', crud, '    authz: pdp'],
    ['authz_map', 'routes.1.authz_map', crud, '    authz_map: {GET: {resource: a, action: b}}'],
    ['internal', 'routes.1.internal', crud, '    internal: true'],
    [
      'token_audience',
      'services.crud_service.token_audience',
      service,
      '    token_audience: https://x',
    ],
  ]
  for (const [what, key, after, line] of routes) {
    await t.test(`routes.yaml: ${what}`, () => {
      assert.deepEqual(faultsWith({ [ROUTES]: addAfter(after, line) }), [`not_implemented ${key}`])
    })
  }
  await t.test('routes.yaml: target_service: internal', () => {
    const edit = replace('target_service: crud_service', 'target_service: internal')
    assert.deepEqual(faultsWith({ [ROUTES]: edit }), ['not_implemented routes.1.target_service'])
  })

  for (const key of ['audience', 'jwks_url', 'dev_mode_enabled']) {
    await t.test(`settings.yaml: auth.${key}`, () => {
      assert.deepEqual(faultsWith({ [SETTINGS]: addAfter('auth:', `  ${key}: false`) }), [
        `not_implemented auth.${key}`,
      ])
    })
  }
  for (const key of [
    'authz',
    'authz_enabled',
    'authz_default_mapping_enabled',
    'authz_validation_strict',
    'cache',
    'kafka',
    'pdp',
    'services',
    'strategy',
  ]) {
    await t.test(`settings.yaml: ${key}`, () => {
      for (const value of ['true', '{enabled: false}', '300', '[]']) {
        assert.deepEqual(faultsWith({ [SETTINGS]: append(`${key}: ${value}`) }), [
          `not_implemented ${key}`,
        ])
      }
    })
  }
})

test('authz: none says what is true and is taken; any other word is not', () => {
  const with_ = (word: string) => ({
    [ROUTES]: addAfter('    target_service: crud_service', `    authz: ${word}`),
  })
  assert.equal(soundConfig(with_('none')).compiled[1]?.route.authz, 'none')
  assert.deepEqual(faultsWith(with_('PDP')), ['invalid_value routes.1.authz'])
})

test('faults of routes.yaml', async (t) => {
  const route = (lines: string) => ({ [ROUTES]: append(`\n  - id: extra\n${lines}`) })
  const extra = (path: string, more = '') =>
    route(`    path: ${path}\n    target_service: crud_service\n    auth: session${more}`)
  const cases: [what: string, edits: ReturnType<typeof route>, faults: string[]][] = [
    [
      'an id twice',
      { [ROUTES]: replace('id: api-crud', 'id: api-analytics') },
      ['duplicate_id routes.1.id'],
    ],
    ['the same paths twice', extra('/api/crud/*'), ['route_shadowed routes.2.path']],
    [
      'a crossing',
      extra('/api/{any}/x'),
      ['reserved_path routes.2.path', 'route_ambiguous routes.2.path'],
    ],
    ['a reserved path', extra('/auth/x'), ['reserved_path routes.2.path']],
    ['a reserved path below a wildcard', extra('/api/*'), ['reserved_path routes.2.path']],
    ['everything', extra('/*'), ['reserved_path routes.2.path']],
    ['a path that is none', extra('api'), ['invalid_path routes.2.path']],
    ['a wildcard in the middle', extra('/api/*/x'), ['invalid_path routes.2.path']],
    [
      'an unknown capture',
      extra('/x/{id}', '\n    upstream_path: /y/{idd}'),
      ['unknown_capture routes.2.upstream_path'],
    ],
    [
      'two upstream paths',
      extra('/x', '\n    upstream_path: /y\n    preserve_path: true'),
      ['conflicting_keys routes.2.preserve_path'],
    ],
    [
      'WebSockets, which begin as a GET, without GET',
      extra('/x', '\n    methods: [POST]\n    websocket: true'),
      ['conflicting_keys routes.2.websocket'],
    ],
    [
      'a relative upstream path',
      extra('/x', '\n    upstream_path: y'),
      ['invalid_value routes.2.upstream_path'],
    ],
    [
      'an unknown method',
      extra('/x', '\n    methods: [FETCH]'),
      ['invalid_value routes.2.methods.0'],
    ],
    ['no method', extra('/x', '\n    methods: []'), ['invalid_value routes.2.methods']],
    [
      'an unknown kind of auth',
      { [ROUTES]: replace('auth: session', 'auth: cookie') },
      ['invalid_value routes.0.auth'],
    ],
    ['no auth', { [ROUTES]: replace('    auth: session\n', '') }, ['missing_key routes.0.auth']],
    [
      'a misspelt key',
      { [ROUTES]: replace('upstream_path', 'upstreampath') },
      ['unknown_key routes.0.upstreampath'],
    ],
    [
      'a base_url that is no URL',
      { [ROUTES]: replace('base_url: http://', 'base_url: ') },
      ['invalid_value services.analytics_service.base_url'],
    ],
    [
      'no time to answer',
      { [ROUTES]: replace('timeout: 30', 'timeout: 0') },
      ['invalid_value services.analytics_service.timeout'],
    ],
  ]
  for (const [what, edits, faults] of cases) {
    await t.test(what, () => assert.deepEqual(faultsWith(edits), faults))
  }
})

test('a conflict of routes names both and the line of the other', () => {
  const sources = shipped({
    [ROUTES]: append('  - {id: late, path: /api/crud/*, target_service: x, auth: none}'),
  })
  const line = 1 + sources.routes.text.split('\n').indexOf('    path: /api/crud/*')
  const { faults } = readBridgeConfig(sources, {})
  assert.deepEqual(
    faults.map(formatFault).map((text) => text.replace(/^[^ ]+ /, '')),
    [
      `routes.2.path: found the route "late", which matches the same paths and methods as "api-crud" (line ${line}); expected at most one route for each path and method. Mend: delete "late" or "api-crud", or give them different methods [route_shadowed]`,
    ],
  )
})

test('faults of settings.yaml', async (t) => {
  const session = (line: string) => addAfter('session:', line)
  const cases: [what: string, edit: (text: string) => string, faults: string[]][] = [
    // Browsers drop a __Host- cookie that names a domain: nobody could sign in.
    [
      '__Host- with a domain',
      session('  cookie_domain: example.com\n  cookie_name: __Host-x'),
      ['cookie_prefix session.cookie_name'],
    ],
    [
      'a cookie name with a semicolon',
      session('  cookie_name: "a;b"'),
      ['invalid_value session.cookie_name'],
    ],
    [
      'idle beyond absolute',
      replace('idle_seconds: 1800', 'idle_seconds: 28801'),
      ['invalid_value session.idle_seconds'],
    ],
    [
      'seconds as text',
      replace('idle_seconds: 1800', 'idle_seconds: "1800"'),
      ['invalid_value session.idle_seconds'],
    ],
    [
      'a method with a secret, and none',
      replace('private_key_jwt', 'client_secret_basic'),
      ['incomplete_client_auth auth.token_endpoint_auth_method'],
    ],
    [
      'a method with a certificate, and none',
      replace('private_key_jwt', 'tls_client_auth'),
      ['incomplete_client_auth auth.token_endpoint_auth_method'],
    ],
    // It would never be shown, and whoever set it would believe that it is.
    [
      'a certificate for an IdP over http',
      addAfter('auth:', '  mtls: {cert_file: a, key_file: b}'),
      ['incomplete_client_auth auth.mtls'],
    ],
    [
      'keys that do not overlap',
      addAfter('auth:', '  keys: {rotate_after_days: 30, retire_after_days: 30}'),
      ['invalid_value auth.keys.retire_after_days'],
    ],
    [
      "the login's own bound token as a bearer",
      inOrder(
        addAfter('auth:', '  dpop: true'),
        append('service_mint: {analytics_service: login_token}'),
      ),
      ['dpop_differs service_mint.analytics_service'],
    ],
    // The client secret and every token would travel in the clear.
    [
      'an issuer over http elsewhere',
      replace(
        'issuer: ${IDP_ISSUER:-http://localhost:${IDP_PORT:-8002}/api/oidc}',
        'issuer: http://idp.example.com',
      ),
      ['insecure_issuer auth.issuer'],
    ],
    [
      'scopes with two spaces',
      replace('profile email', 'profile  email'),
      ['invalid_value auth.oauth_scopes'],
    ],
    [
      'an unknown mint method',
      append('service_mint: {crud_service: magic}'),
      ['invalid_value service_mint.crud_service'],
    ],
    [
      'a proxy that is no address',
      replace('trusted_proxies: []', 'trusted_proxies: [10.0.0.0/8, all]'),
      ['invalid_value server.trusted_proxies.1'],
    ],
    [
      'an origin that is no URL',
      append('cors: {allow_origins: ["*"]}'),
      ['invalid_value cors.allow_origins.0'],
    ],
    ['a key that nobody documents', append('sevice_scopes: {}'), ['unknown_key sevice_scopes']],
    [
      'a V1 audience unlike the V2 one',
      append('service_tokens: {analytics_service: {audience: https://a}}'),
      [
        'conflicting_audience service_tokens.analytics_service.audience',
        'conflicting_scopes service_tokens.analytics_service.scopes',
      ],
    ],
    [
      'V1 scopes unlike the V2 ones',
      append(
        'service_tokens:\n  analytics_service:\n    audience: https://analytics.ocg.labs.empowernow.ai\n    scopes: [api.read, api.write]',
      ),
      ['conflicting_scopes service_tokens.analytics_service.scopes'],
    ],
  ]
  for (const [what, edit, faults] of cases) {
    await t.test(what, () => assert.deepEqual(faultsWith({ [SETTINGS]: edit }), faults))
  }
})

test('an issuer over plain http is taken on this machine', () => {
  for (const issuer of ['http://localhost:1', 'http://127.0.0.1:1', 'http://[::1]:1']) {
    const { faults } = readBridgeConfig(shipped(), { IDP_ISSUER: issuer })
    assert.deepEqual(faults, [])
  }
  assert.deepEqual(faultsWith({}, { IDP_ISSUER: 'http://localhost.example.com' }), [
    'insecure_issuer auth.issuer',
  ])
})

test('the V1 map keeps its meaning: any of its scopes, and its audience', () => {
  const v1 = soundConfig({
    [SETTINGS]: inOrder(
      replace('  analytics_service: https://analytics.ocg.labs.empowernow.ai\n', ''),
      replace('  analytics_service: api.read\n', ''),
      append(
        [
          'service_tokens:',
          '  analytics_service:',
          '    audience: https://analytics.ocg.labs.empowernow.ai',
          '    scopes: [api.read, api.write, application.all]',
        ].join('\n'),
      ),
    ),
  })
  assert.deepEqual(requirementOf(v1.settings, 'analytics_service'), {
    service: 'analytics_service',
    audience: 'https://analytics.ocg.labs.empowernow.ai',
    scopes: ['api.read', 'api.write', 'application.all'],
    requires: 'any',
    dpop: false,
    mint: 'token_exchange',
  })
})

test('V1 and V2 that agree are taken, whatever the order of the scopes', () => {
  const { settings } = soundConfig({
    [SETTINGS]: append(
      'service_tokens: {crud_service: {audience: https://crud.ocg.labs.empowernow.ai, scopes: [crud.write, crud.read]}}',
    ),
  })
  assert.equal(requirementOf(settings, 'crud_service')?.requires, 'all')
})

test('service_scopes is a text, a list, or a list with what is required of it', () => {
  const read = (value: string) => {
    const { settings } = soundConfig({
      [SETTINGS]: replace('analytics_service: api.read', `analytics_service: ${value}`),
    })
    const requirement = requirementOf(settings, 'analytics_service')
    return `${requirement?.scopes.join('+')} ${requirement?.requires}`
  }
  assert.equal(read('api.read api.write'), 'api.read+api.write all')
  assert.equal(read('[api.read, api.write]'), 'api.read+api.write all')
  assert.equal(read('{scopes: api.read api.write, requires: any}'), 'api.read+api.write any')
  assert.equal(read('{scopes: [api.read]}'), 'api.read all')
})

test('a service in neither map has no token', () => {
  assert.equal(requirementOf(soundConfig().settings, 'pdp_service'), undefined)
})

test('the upstream path is the template, the path as it came, or the pattern with its captures', () => {
  const upstream = (lines: string[], path: string) => {
    const config = soundConfig({
      [ROUTES]: append(
        ['  - id: extra', '    target_service: crud_service', '    auth: session', ...lines].join(
          '\n',
        ),
      ),
    })
    const match = config.table.match(path, 'GET')
    assert.equal(match.kind, 'route')
    return match.kind === 'route' ? upstreamPath(match.route, match.captures) : undefined
  }
  const at = (path: string, ...more: string[]) => [`    path: ${path}`, ...more]
  assert.equal(upstream(at('/x/*'), '/x/a/b'), '/x/a/b')
  assert.equal(upstream(at('/x/{id}/*'), '/x/1/b/'), '/x/1/b/')
  assert.equal(upstream(at('/x/*', '    preserve_path: true'), '/x/a'), '/x/a')
  assert.equal(upstream(at('/x/*', '    upstream_path: /y/{path}'), '/x/'), '/y/')
  assert.equal(upstream(at('/x/{a}/{b}', '    upstream_path: "/{b}/z/{a}"'), '/x/1/2'), '/2/z/1')
  assert.equal(upstream(at('/x*', '    upstream_path: /y{path}'), '/xa/b'), '/ya/b')
})

test("a fault in the IdP's files is told, and only its links become unknown", () => {
  const { config, faults } = readBridgeConfig(
    shipped({ 'IdP/config/clients.yaml': append('other: {grant_type: []}') }),
    {},
  )
  assert.equal(config?.idp, undefined)
  assert.deepEqual(
    faults.map(({ code, key }) => `${code} ${key}`),
    ['missing_key other.grant_types', 'missing_key other.scopes', 'unknown_key other.grant_type'],
  )
})
