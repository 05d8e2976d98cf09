import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBffConfig } from '@audience-bridge/bff/config.ts'
import {
  type ConfigFile,
  type Edit,
  type Edits,
  inOrder,
  ROOT,
  replace,
} from '@audience-bridge/testkit/config-copy.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'
const SETTINGS = 'BFF/config/settings.yaml'
const ROUTES = 'BFF/config/routes.yaml'

const shipped = (file: ConfigFile) => readFileSync(join(ROOT, 'ServiceConfigs', file), 'utf8')

/** The shipped files with edits, as the BFF reads them. */
function read(edits: Edits = {}) {
  const source = (file: ConfigFile) => {
    const text = shipped(file)
    const edited = edits[file]?.(text) ?? text
    if (edits[file] && edited === text) throw new Error(`the edit of ${file} changes nothing`)
    return { file, text: edited }
  }
  return readBffConfig(
    {
      routes: source(ROUTES),
      settings: source(SETTINGS),
      idp: {
        settings: source('IdP/config/settings.yaml'),
        clients: source('IdP/config/clients.yaml'),
      },
    },
    {},
    () => 'a secret of at least thirty-two characters',
  )
}

test("a proxy's secret that could be guessed, or cut at a space, is refused", () => {
  const withSecret = (secret: string) =>
    read({
      [SETTINGS]: inOrder(
        replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.1]'),
        replace('admin:\n', `edge:\n  tokens: true\n  secret: ${secret}\n\nadmin:\n`),
      ),
    })
  // The reader of secrets that these tests use gives one with spaces.
  assert.throws(() => withSecret('x'.repeat(32)), /^Error: edge\.secret: at least 32 visible/)
})

test('the shipped files are whole', () => {
  const { config, faults } = read()
  assert.deepEqual(faults, [])
  for (const { route, broken } of config?.chains.values() ?? []) {
    assert.equal(broken, undefined, `${route}: ${JSON.stringify(broken)}`)
  }
})

const route =
  (yaml: string): Edit =>
  (text) =>
    `${text}\n  - ${yaml}\n`
const settings =
  (yaml: string): Edit =>
  (text) =>
    `${text}\n${yaml}\n`
const x = 'id: x, target_service: crud_service, auth: session'

/** Refuses the start or the reload: the code of the fault, and where it is named. */
const MALFORMED: [string, ConfigFile, Edit, code: string, at: RegExp][] = [
  ['broken YAML', ROUTES, (text) => `${text}\n  : [`, 'yaml_syntax', /^/],
  ['a key twice', SETTINGS, settings('auth: {}'), 'duplicate_key', /^auth: \{\}/],
  ['a YAML alias', SETTINGS, settings('x: &a 1\ny: *a'), 'yaml_alias', /\*a/],
  ['an unknown key', SETTINGS, settings('servr: {}'), 'unknown_key', /^servr/],
  [
    'an unknown key of a route',
    ROUTES,
    route(`{ ${x}, path: /x, metods: [GET] }`),
    'unknown_key',
    /metods/,
  ],
  [
    'a wrong type',
    SETTINGS,
    replace('idle_seconds: 1800', 'idle_seconds: soon'),
    'invalid_value',
    /soon/,
  ],
  ['a missing key', ROUTES, route('{ id: x, path: /x, auth: session }'), 'missing_key', /id: x/],
  [
    'a variable without a value',
    SETTINGS,
    settings('admin2: $' + '{NOBODY_SETS_THIS}'),
    'variable_missing',
    /NOBODY/,
  ],
  [
    'an auth that is none',
    ROUTES,
    route(`{ ${x}, path: /x }`.replace('session', 'cookie')),
    'invalid_value',
    /cookie/,
  ],
  ['authz: pdp', ROUTES, route(`{ ${x}, path: /x, authz: pdp }`), 'not_implemented', /pdp/],
  ['authz_map', ROUTES, route(`{ ${x}, path: /x, authz_map: {} }`), 'not_implemented', /authz_map/],
  ['internal', ROUTES, route(`{ ${x}, path: /x, internal: true }`), 'not_implemented', /internal/],
  [
    'target_service: internal',
    ROUTES,
    route('{ id: x, path: /x, target_service: internal, auth: none }'),
    'not_implemented',
    /internal/,
  ],
  ['a PDP', SETTINGS, settings('pdp: { url: x }'), 'not_implemented', /pdp|url/],
  ['a DPoP-like strategy', SETTINGS, settings('strategy: fapi'), 'not_implemented', /fapi/],
  [
    'an id twice',
    ROUTES,
    route(`{ ${x}, path: /x }`.replace('id: x', 'id: api-crud')),
    'duplicate_id',
    /api-crud/,
  ],
  ['a shadowed route', ROUTES, route(`{ ${x}, path: "/api/crud/*" }`), 'route_shadowed', /crud/],
  [
    'two routes that cross',
    ROUTES,
    inOrder(
      route(`{ ${x}, path: "/t/{a}/x" }`),
      route(`{ ${x}, path: "/t/y/{b}" }`.replace('id: x', 'id: y')),
    ),
    'route_ambiguous',
    /\/t\/y/,
  ],
  ['a reserved path', ROUTES, route(`{ ${x}, path: /auth/x }`), 'reserved_path', /auth/],
  [
    'a path that swallows a reserved one',
    ROUTES,
    route(`{ ${x}, path: "/*" }`),
    'reserved_path',
    /\//,
  ],
  ['a relative path', ROUTES, route(`{ ${x}, path: x }`), 'invalid_path', /path: x/],
  ['a star in the middle', ROUTES, route(`{ ${x}, path: "/x/*/y" }`), 'invalid_path', /\*/],
  [
    'a capture that nothing gives',
    ROUTES,
    route(`{ ${x}, path: /x, upstream_path: "/{nothing}" }`),
    'unknown_capture',
    /nothing/,
  ],
  [
    'preserve_path with upstream_path',
    ROUTES,
    route(`{ ${x}, path: /x, preserve_path: true, upstream_path: /y }`),
    'conflicting_keys',
    /true/,
  ],
  [
    'V1 against V2, by audience',
    SETTINGS,
    settings(
      'service_tokens: { analytics_service: { audience: "https://other", scopes: [api.read] } }',
    ),
    'conflicting_audience',
    /other/,
  ],
  [
    'V1 against V2, by scopes',
    SETTINGS,
    settings(
      `service_tokens: { analytics_service: { audience: "${ANALYTICS}", scopes: [api.write] } }`,
    ),
    'conflicting_scopes',
    /api\.write/,
  ],
  [
    'an idle limit above the absolute one',
    SETTINGS,
    replace('idle_seconds: 1800', 'idle_seconds: 90000'),
    'invalid_value',
    /90000/,
  ],
  [
    '__Host- with a domain',
    SETTINGS,
    replace('session:\n', 'session:\n  cookie_name: __Host-x\n  cookie_domain: example.com\n'),
    'cookie_prefix',
    /__Host-x/,
  ],
  [
    'tokens in the clear to another host',
    SETTINGS,
    (text) => text.replace(/issuer: .*/, 'issuer: http://idp.example/api/oidc'),
    'insecure_issuer',
    /idp\.example/,
  ],
  [
    'a mint that is none',
    SETTINGS,
    settings('service_mint: { crud_service: magic }'),
    'invalid_value',
    /magic/,
  ],
]

test('malformed files refuse the start, with place and mend', async (t) => {
  for (const [what, file, edit, code, at] of MALFORMED) {
    await t.test(what, () => {
      const { config, faults } = read({ [file]: edit })
      assert.equal(config, undefined)
      const fault = faults.find((candidate) => candidate.code === code)
      assert.ok(fault, `found ${faults.map((other) => other.code)}`)
      assert.equal(fault.kind, 'malformed')
      assert.equal(fault.at.file, file)
      const line = edit(shipped(file)).split('\n')[fault.at.line - 1] ?? ''
      assert.match(line, at, `${fault.at.line}:${fault.at.column}`)
      for (const word of [fault.found, fault.expected, fault.mend]) assert.match(word, /\w/)
    })
  }

  await t.test('all at once', () => {
    const { faults } = read({
      [SETTINGS]: settings('servr: {}\npdp: {}'),
      [ROUTES]: inOrder(route(`{ ${x}, path: /auth/x }`), route(`{ ${x}, path: y }`)),
    })
    const codes = faults.map(({ code }) => code)
    for (const code of ['unknown_key', 'not_implemented', 'reserved_path', 'invalid_path']) {
      assert.ok(codes.includes(code), `${code} in ${codes}`)
    }
  })
})

/** Loads; the route alone is stopped. `no-token.test.ts` shows what it then answers. */
const BROKEN: [string, Edits, route: string, code: string][] = [
  [
    'a target_service without a base_url',
    { [ROUTES]: route('{ id: lost, path: /lost, target_service: lost_service, auth: session }') },
    'lost',
    'target_service_unknown',
  ],
  [
    'a service without an audience',
    { [SETTINGS]: replace(`  analytics_service: ${ANALYTICS}\n`, '') },
    'api-analytics',
    'service_audience_missing',
  ],
  [
    'an audience that no scope leads to',
    { 'IdP/config/settings.yaml': (text) => text.replaceAll(ANALYTICS, 'https://other') },
    'api-analytics',
    'audience_unmapped',
  ],
  [
    'an audience that the client may not ask for',
    { 'IdP/config/clients.yaml': replace(`    - ${ANALYTICS}\n`, '') },
    'api-analytics',
    'audience_not_allowed',
  ],
  [
    'a scope that leads elsewhere',
    { [SETTINGS]: replace('analytics_service: api.read', 'analytics_service: crud.read') },
    'api-analytics',
    'service_scope_astray',
  ],
]

test('broken links load, and stop their route alone', async (t) => {
  for (const [what, edits, id, code] of BROKEN) {
    await t.test(what, () => {
      const { config, faults } = read(edits)
      assert.ok(config, JSON.stringify(faults))
      assert.deepEqual(faults, [])
      for (const { route: other, broken } of config.chains.values()) {
        if (other !== id) assert.equal(broken, undefined, other)
      }
      const link = config.chains.get(id)?.broken
      assert.equal(link?.code, code)
      assert.ok((link?.at?.line ?? 0) > 0)
      assert.match(link?.mend ?? '', /\w{3}/)
    })
  }

  await t.test('and so do files of the IdP that are malformed: its links are unknown here', () => {
    const { config, faults } = read({ 'IdP/config/settings.yaml': settings('nonsense: 1') })
    assert.ok(config)
    assert.deepEqual(
      faults.map(({ code, at }) => [code, at.file]),
      [['unknown_key', 'IdP/config/settings.yaml']],
    )
  })
})
