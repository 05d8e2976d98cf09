// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import type { BridgeSources } from '../src/bridge-config.ts'
import { checkBridge } from '../src/check.ts'
import { applyEdits } from '../src/edit.ts'
import { frontendsOf, sessionCookieName } from '../src/frontends.ts'
import { shipped, soundConfig } from './shipped.ts'

const SETTINGS = 'BFF/config/settings.yaml'
const IDPS = 'BFF/config/idps.yaml'
const CLIENTS = 'IdP/config/clients.yaml'

const frontends =
  (...lines: string[]) =>
  (text: string) =>
    `${text}frontends:\n${lines.map((line) => `  ${line}\n`).join('')}`

const callback = (uri: string) =>
  replace('  redirect_uris:\n', `  redirect_uris:\n    - ${uri}/auth/callback\n`)

const idps = (...entries: string[]) => ({
  [IDPS]: () => `idps:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`,
})

const PARTNER = 'name: partner, issuer: "https://idp.partner.example"'
const CLIENT = 'client_id: us, client_secret: "file:/nowhere"'

test('further frontends', async (t) => {
  await t.test('have cookies, scopes and origins of their own', () => {
    const { settings } = soundConfig({
      [SETTINGS]: inOrder(
        replace('cookie_suffix: ${BFF_COOKIE_SUFFIX:-}', 'cookie_suffix: one'),
        frontends(
          'desk: {public_url: "https://desk.example.com"}',
          'shop: {public_url: "https://shop.example.com", cookie_name: sid, cookie_suffix: s, oauth_scopes: openid, cors: {allow_origins: ["https://spa.example.com/"]}}',
        ),
      ),
      [CLIENTS]: inOrder(
        callback('https://desk.example.com'),
        callback('https://shop.example.com'),
      ),
    })
    const all = frontendsOf(settings)
    assert.deepEqual(all.map(sessionCookieName), [
      '__Host-bff_session_one',
      '__Host-bff_session_desk',
      'sid_s',
    ])
    const [first, desk, shop] = all
    assert.equal(desk?.oauthScopes, first?.oauthScopes)
    assert.equal(shop?.oauthScopes, 'openid')
    assert.deepEqual(shop?.allowOrigins, ['https://spa.example.com'])
    assert.deepEqual(desk?.allowOrigins, [])
  })

  await t.test('are none of the callbacks that the IdP knows, until it is told', () => {
    const sources = shipped({
      [SETTINGS]: frontends(
        'desk: {public_url: "https://desk.example.com"}',
        'shop: {public_url: "https://shop.example.com", idp: partner}',
        'till: {public_url: "https://till.example.com:8443"}',
      ),
      ...idps(`{${PARTNER}, ${CLIENT}}`),
    })
    const [finding, ...more] = checkBridge(sources, {})
    assert.deepEqual(more, [])
    assert.equal(finding?.code, 'redirect_uri_missing')
    assert.match(finding.found, /"https:\/\/desk.example.com\/auth\/callback", "https:\/\/till/)
    assert.ok(!finding.found.includes('shop'), "of the partner's IdP nothing is known here")
    assert.match(finding.expected, /frontends\.desk\.public_url, frontends\.till\.public_url/)
    assert.deepEqual(checkBridge(mended(sources, finding.patch), {}), [])
  })
})

const desk = (more: string, name = 'desk') =>
  frontends(`${name}: {public_url: "https://desk.example.com", ${more}}`)

const withDesk = (more: string): Edits => ({
  [SETTINGS]: desk(more),
  [CLIENTS]: callback('https://desk.example.com'),
})

/** What is wrong, the code and key of the one finding, its line, and whether its mend can be applied. */
const FAULTS: [
  what: string,
  edits: Edits,
  code: string,
  key: string,
  line: string,
  patch: boolean,
][] = [
  [
    'two frontends on one host',
    { [SETTINGS]: frontends('desk: {public_url: "https://localhost:8080"}') },
    'frontend_overlap',
    'frontends.desk.public_url',
    'desk:',
    false,
  ],
  [
    'a cookie of one name on one host name',
    {
      [SETTINGS]: inOrder(
        replace('cookie_suffix: ${BFF_COOKIE_SUFFIX:-}', 'cookie_suffix: x'),
        frontends('desk: {public_url: "http://localhost:9090", cookie_suffix: x}'),
      ),
      [CLIENTS]: callback('http://localhost:9090'),
    },
    'cookie_shared',
    'frontends.desk',
    'desk:',
    false,
  ],
  [
    'a cookie of one name below one domain',
    {
      [SETTINGS]: frontends(
        'desk: {public_url: "https://desk.example.com", cookie_domain: example.com, cookie_suffix: x}',
        'shop: {public_url: "https://shop.desk.example.com", cookie_name: bff_session_x, cookie_suffix: y, cookie_domain: shop.desk.example.com}',
        'till: {public_url: "https://till.example.com", cookie_name: bff_session, cookie_suffix: x}',
      ),
      [CLIENTS]: inOrder(
        callback('https://desk.example.com'),
        callback('https://shop.desk.example.com'),
        callback('https://till.example.com'),
      ),
    },
    'cookie_shared',
    'frontends.till',
    'till:',
    false,
  ],
  [
    'a __Host- cookie with a domain',
    withDesk('cookie_name: __Host-x, cookie_domain: example.com'),
    'cookie_prefix',
    'frontends.desk.cookie_name',
    'desk:',
    true,
  ],
  [
    'SameSite=None for nobody',
    withDesk('same_site: none'),
    'same_site_none',
    'frontends.desk.same_site',
    'desk:',
    true,
  ],
  [
    'SameSite=None over plain http',
    {
      [SETTINGS]: inOrder(
        (text) => `${text}cors: {allow_origins: ["https://spa.example"]}\n`,
        replace('session:\n', 'session:\n  same_site: none\n'),
      ),
    },
    'same_site_none',
    'session.same_site',
    'same_site: none',
    true,
  ],
  [
    'an IdP that nobody knows',
    { ...withDesk('idp: partnr'), ...idps(`{${PARTNER}, ${CLIENT}}`) },
    'idp_unknown',
    'frontends.desk.idp',
    'desk:',
    true,
  ],
  [
    'an IdP where we are no client',
    { ...withDesk('idp: partner'), ...idps(`{${PARTNER}}`) },
    'idp_unknown',
    'frontends.desk.idp',
    'desk:',
    false,
  ],
  [
    'development origins beside a public frontend',
    {
      ...withDesk('cookie_suffix: d'),
      [SETTINGS]: inOrder(
        (text) => `${text}cors: {dev_origins: ["http://localhost:5173"]}\n`,
        desk('cookie_suffix: d'),
      ),
    },
    'dev_origins_public',
    'cors.dev_origins',
    'dev_origins',
    true,
  ],
  [
    'a frontend called default',
    { [SETTINGS]: desk('cookie_suffix: d', 'default') },
    'invalid_value',
    'frontends.default',
    'default:',
    false,
  ],
  [
    'two entries of one name',
    idps(`{${PARTNER}}`, '{name: partner, issuer: "https://other.example"}'),
    'duplicate_idp',
    'idps.1.name',
    'other.example',
    false,
  ],
  [
    'two entries of one issuer and audience',
    idps(
      '{name: one, issuer: "https://idp.example", audience: a}',
      '{name: two, issuer: "https://idp.example", audience: b}',
      '{name: three, issuer: "https://idp.example", audience: a}',
    ),
    'duplicate_idp',
    'idps.2.issuer',
    'three',
    false,
  ],
  [
    'two clients at one issuer',
    idps(
      `{${PARTNER}, ${CLIENT}}`,
      `{name: two, issuer: "https://idp.partner.example", audience: b, ${CLIENT}}`,
    ),
    'conflicting_keys',
    'idps.1.client_id',
    'two',
    false,
  ],
  [
    'a second client at the IdP of auth',
    idps(`{name: own, issuer: "http://localhost:8002/api/oidc", ${CLIENT}}`),
    'conflicting_keys',
    'idps.0.client_id',
    'own',
    false,
  ],
  [
    'a client without its secret',
    idps(`{${PARTNER}, client_id: us}`),
    'missing_key',
    'idps.0.client_secret',
    'partner',
    false,
  ],
  [
    'an issuer in the clear',
    idps('{name: plain, issuer: "http://idp.partner.example"}'),
    'insecure_issuer',
    'idps.0.issuer',
    'plain',
    false,
  ],
  [
    'keys in the clear',
    idps(`{${PARTNER}, jwks_url: "http://idp.partner.example/jwks"}`),
    'insecure_issuer',
    'idps.0.jwks_url',
    'partner',
    false,
  ],
  [
    'a key that nothing implements',
    idps(`{${PARTNER}, api_key: x}`),
    'not_implemented',
    'idps.0.api_key',
    'partner',
    false,
  ],
  [
    'a key that nobody knows',
    idps(`{${PARTNER}, isuer: x}`),
    'unknown_key',
    'idps.0.isuer',
    'isuer',
    false,
  ],
]

test('what is wrong with frontends and IdPs is named with its line', async (t) => {
  for (const [what, edits, code, key, line, patch] of FAULTS) {
    await t.test(what, () => {
      const sources = shipped(edits)
      const findings = checkBridge(sources, {})
      assert.deepEqual(
        findings.map((one) => `${one.kind} ${one.code} ${one.key}`),
        [`malformed ${code} ${key}`],
      )
      const [finding] = findings
      const file = [sources.settings, sources.idps].find((one) => one?.file === finding?.at?.file)
      const text = file?.text.split('\n')[(finding?.at?.line ?? 0) - 1]
      assert.ok(text?.includes(line), `names the line: ${text}`)
      assert.ok(finding?.found && finding.expected && finding.mend)
      assert.equal(finding.patch !== undefined, patch)
      if (patch) assert.deepEqual(checkBridge(mended(sources, finding.patch), {}), [])
    })
  }
})

test('development origins are taken while every frontend is on localhost', () => {
  const { settings } = soundConfig({
    [SETTINGS]: inOrder(
      (text) => `${text}cors: {dev_origins: ["http://localhost:5173"]}\n`,
      frontends('desk: {public_url: "http://desk.localhost:8080"}'),
    ),
    [CLIENTS]: callback('http://desk.localhost:8080'),
  })
  for (const { allowOrigins } of frontendsOf(settings)) {
    assert.deepEqual(allowOrigins, ['http://localhost:5173'])
  }
})

test('a secret of an IdP is in no fault', () => {
  const [finding] = checkBridge(
    shipped(idps(`{${PARTNER}, client_id: us, client_secret: [s3cr3t]}`)),
    {},
  )
  assert.ok(finding)
  assert.ok(!JSON.stringify(finding).includes('s3cr3t'))
})

function mended(
  sources: BridgeSources,
  patch: { file: string; edits: readonly unknown[] } | undefined,
) {
  assert.ok(patch)
  const mend = (source: { file: string; text: string }) =>
    source.file === patch.file
      ? {
          ...source,
          text: applyEdits(source.text, patch.edits as Parameters<typeof applyEdits>[1]),
        }
      : source
  const { idp, idps: others } = sources
  return {
    ...sources,
    settings: mend(sources.settings),
    ...(others && { idps: mend(others) }),
    ...(idp && { idp: { settings: mend(idp.settings), clients: mend(idp.clients) } }),
  }
}
