import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import type { BridgeConfig } from '../src/bridge-config.ts'
import { narrow } from '../src/narrow.ts'
import type { ScopeUsageRow } from '../src/scope-usage.ts'
import { soundConfig } from './shipped.ts'

const SETTINGS = 'BFF/config/settings.yaml'
const IDP = 'IdP/config/settings.yaml'

/** `service_scopes.analytics_service` as a test wants it. */
const asks = (value: string, ...more: ((text: string) => string)[]): Edits => ({
  [SETTINGS]: inOrder(
    replace('  analytics_service: api.read\n', `  analytics_service: ${value}\n`),
    ...more,
  ),
})

const V1 = (text: string) =>
  inOrder(
    replace('  analytics_service: https://analytics.ocg.labs.empowernow.ai\n', ''),
    replace('  analytics_service: api.read\n', ''),
  )(text).concat(
    'service_tokens:\n  analytics_service:\n    audience: https://analytics.ocg.labs.empowernow.ai\n    scopes: [api.read, application.all]\n',
  )

/** One kind of call, as `required < carried`. */
function row(text: string, more: Partial<ScopeUsageRow> = {}): ScopeUsageRow {
  const [required = '', carried = ''] = text.split('<').map((part) => part.trim())
  return {
    service: 'analytics_service',
    route_id: 'api-analytics',
    method: 'GET',
    required_scope: required === '?' ? null : required,
    token_scopes: carried,
    refused: false,
    requests: 2,
    last_at: '2026-08-10T10:00:00.000Z',
    sample_correlation_id: 'c1',
    ...more,
  }
}

const refused = (text: string) => row(text, { refused: true, method: 'POST' })

const configWith = (edits: Edits, blind = false): BridgeConfig => ({
  ...soundConfig(edits),
  ...(blind ? { idp: undefined } : {}),
})

/** What is said of analytics. */
function analytics(config: BridgeConfig, rows: ScopeUsageRow[], truncated = false) {
  const { services } = narrow(config, { rows, truncated })
  const [service] = services.filter((one) => one.service === 'analytics_service')
  assert.ok(service)
  return service
}

const BROAD = 'application.all'

const CASES: {
  name: string
  edits: Edits
  /** The IdP's files cannot be read. */
  blind?: boolean
  rows: ScopeUsageRow[]
  state: string
  proposed?: string
  says?: RegExp
}[] = [
  {
    name: 'a broad scope of which only reading was needed',
    edits: asks(BROAD),
    rows: [row('api.read < application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'two kinds of calls need both of their scopes',
    edits: asks(BROAD),
    rows: [row('api.read < application.all'), row('api.write < application.all')],
    state: 'narrower',
    proposed: 'api.read api.write',
  },
  {
    name: 'a call that needs two scopes at once',
    edits: asks(BROAD),
    rows: [row('api.write api.read < application.all')],
    state: 'narrower',
    proposed: 'api.read api.write',
  },
  {
    name: 'one of two scopes that nobody needed',
    edits: asks('api.read api.write'),
    rows: [row('api.read < api.read api.write')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'a part of what is asked for needs no word of the IdP',
    edits: asks('api.read api.write'),
    blind: true,
    rows: [row('api.read < api.read api.write')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'calls that needed no scope beside one that did',
    edits: asks(BROAD),
    rows: [row(' < application.all'), row('api.read < application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'no scopes named: all that lead there are asked for',
    edits: asks('[]'),
    rows: [row('api.read < api.read api.write application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'V1, which means any of its scopes',
    edits: { [SETTINGS]: V1 },
    rows: [row('api.read < api.read application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'a scope that nothing implies, but that did the same work',
    edits: {
      ...asks(
        BROAD,
        replace('application.all offline_access', 'application.all api.read offline_access'),
      ),
      [IDP]: replace('implies: [api.read, ', 'implies: ['),
      'IdP/config/clients.yaml': replace('admin.api, application.all', 'api.read, application.all'),
    },
    rows: [row('api.read < application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'a scope that did the same work and leads as far',
    edits: asks('api.write'),
    rows: [row('api.read < api.write')],
    state: 'least',
    says: /"api\.read" was needed, which "api\.write" does not hold/,
  },
  {
    name: 'calls from before the last change of the scopes',
    edits: asks('api.read api.write'),
    rows: [row('api.read < application.all'), row('api.write < application.all')],
    state: 'least',
    says: /needed all of it/,
  },
  {
    name: 'just what was needed',
    edits: {},
    rows: [row('api.read < api.read')],
    state: 'least',
    says: /needed all of it/,
  },
  {
    name: 'no call that needed a scope',
    edits: asks(BROAD),
    rows: [row(' < application.all')],
    state: 'least',
    says: /no scope cannot be asked for/,
  },
  {
    name: "the login's own token",
    edits: asks(
      BROAD,
      replace('session:\n', 'service_mint:\n  analytics_service: login_token\n\nsession:\n'),
    ),
    rows: [row('api.read < application.all')],
    state: 'least',
    says: /auth\.oauth_scopes decides/,
  },
  {
    name: 'a scope that the IdP would not issue',
    edits: { ...asks(BROAD), [IDP]: replace('implies: [api.read, ', 'implies: [') },
    rows: [row('api.read < application.all')],
    state: 'least',
    says: /the IdP would refuse it: scope 'api\.read' is neither granted nor implied/,
  },
  {
    name: 'a scope of which nobody here knows whether the IdP would issue it',
    edits: asks(BROAD),
    blind: true,
    rows: [row('api.read < application.all')],
    state: 'least',
    says: /not known here/,
  },
  {
    name: 'a refresh, which cannot ask for what is only implied',
    edits: asks(
      BROAD,
      replace('session:\n', 'service_mint:\n  analytics_service: refresh_resource\n\nsession:\n'),
    ),
    rows: [row('api.read < application.all')],
    state: 'least',
    says: /a refresh cannot ask for "api\.read"/,
  },
  {
    name: 'a scope that the present ones never held',
    edits: {},
    rows: [row('api.read < api.read'), row('api.write < api.read api.write')],
    state: 'least',
    says: /"api\.write" was needed, which "api\.read" does not hold/,
  },
  {
    name: 'a call without a report',
    edits: asks(BROAD),
    rows: [row('api.read < application.all'), row('? < application.all')],
    state: 'undecided',
    proposed: 'api.read',
    says: /^2 calls without a reported scope/,
  },
  {
    name: 'no report at all',
    edits: asks(BROAD),
    rows: [row('? < application.all')],
    state: 'undecided',
    says: /^2 calls without a reported scope/,
  },
  {
    name: 'a call that is refused now and would pass with less',
    edits: asks(BROAD),
    rows: [row('api.write < application.all'), refused('api.write < application.all')],
    state: 'undecided',
    proposed: 'api.write',
    says: /"api\.write" would open 2 calls that were refused with "application\.all"/,
  },
  {
    name: 'a call that was refused and goes on being refused',
    edits: asks(BROAD),
    rows: [row('api.read < application.all'), refused('api.write < application.all')],
    state: 'narrower',
    proposed: 'api.read',
  },
  {
    name: 'a scope that was added because a call was refused',
    edits: asks('api.read api.write'),
    rows: [row('api.read < api.read'), refused('api.write < api.read')],
    state: 'least',
    says: /needed all of it/,
  },
  {
    name: 'a call that was refused with other scopes than those of now',
    edits: asks(BROAD),
    rows: [row('api.read < application.all'), refused('api.write < api.read')],
    state: 'undecided',
    proposed: 'api.read',
    says: /refused with other scopes than "application\.all": call again/,
  },
  { name: 'no calls', edits: asks(BROAD), rows: [], state: 'unused' },
  {
    name: "calls of a caller's own token",
    edits: {
      ...asks(BROAD),
      'BFF/config/routes.yaml': replace('    auth: session\n', '    auth: bearer\n'),
    },
    rows: [row('api.read < ')],
    state: 'unused',
  },
  {
    name: 'a route that is gone since: its calls still count',
    edits: asks(BROAD),
    rows: [row('api.read < application.all', { route_id: 'gone' })],
    state: 'narrower',
    proposed: 'api.read',
  },
]

test('what the evidence says of a service', async (t) => {
  for (const { name, edits, blind, rows, state, proposed, says } of CASES) {
    await t.test(`${name}: ${state}`, () => {
      const service = analytics(configWith(edits, blind), rows)
      assert.equal(service.state, state, service.reasons.join('\n'))
      assert.equal(service.proposed?.join(' '), proposed)
      assert.match(service.reasons.join('\n'), says ?? /^$/)
      assert.equal(service.patch !== undefined, state === 'narrower')
      if (state === 'narrower') assert.deepEqual(service.would_fail, [])
    })
  }
})

test('evidence that is cut short decides nothing', async (t) => {
  for (const rows of [[], [row('api.read < application.all')]]) {
    await t.test(`${rows.length} rows`, () => {
      const service = analytics(soundConfig(asks(BROAD)), rows, true)
      assert.equal(service.state, 'undecided')
      assert.match(service.reasons[0] ?? '', /take fewer days/)
    })
  }
  await t.test('and advises nothing', () => {
    assert.deepEqual(narrow(soundConfig(), { rows: [], truncated: true }).mappings, { items: [] })
  })
})

test('the calls that nobody knows the need of are listed as those that may fail', () => {
  const unknown = row('? < application.all')
  const { would_fail, unreported } = analytics(soundConfig(asks(BROAD)), [
    row('api.read < application.all'),
    unknown,
  ])
  assert.deepEqual([would_fail, unreported], [[unknown], [unknown]])
})

test('the patch', async (t) => {
  const read = [row('api.read < application.all')]
  await t.test('sets the scopes of the service', () => {
    assert.deepEqual(analytics(soundConfig(asks(BROAD)), read).patch, {
      file: SETTINGS,
      edits: [{ op: 'set', path: ['service_scopes', 'analytics_service'], value: 'api.read' }],
    })
  })
  await t.test('moves an entry of V1 to V2, which it would contradict', () => {
    assert.deepEqual(analytics(soundConfig({ [SETTINGS]: V1 }), read).patch?.edits, [
      {
        op: 'set',
        path: ['service_audiences', 'analytics_service'],
        value: 'https://analytics.ocg.labs.empowernow.ai',
      },
      { op: 'set', path: ['service_scopes', 'analytics_service'], value: 'api.read' },
      { op: 'remove', path: ['service_tokens'] },
    ])
  })
})

test('advice for the IdP team', async (t) => {
  const calls = [
    row('api.read < api.read'),
    row('crud.read < crud.read crud.write', { service: 'crud_service', route_id: 'api-crud' }),
  ]
  const advice = (edits: Edits, rows = calls) =>
    narrow(soundConfig(edits), { rows, truncated: false }).mappings

  await t.test('names audiences that no call went to, and scopes that nobody needs', () => {
    const { items, patch } = advice({})
    assert.deepEqual(
      items.map(({ kind, scope, value, why }) => `${kind} ${scope} ${value}: ${why}`),
      [
        'audience application.all https://idp.ocg.labs.empowernow.ai/api/admin: no service has this audience',
        'audience application.all https://idp.ocg.labs.empowernow.ai/api/v1: no call in the window went to idp_service',
        'implied_scope application.all crud.write: no service asks for it, and no call needed it',
      ],
    )
    assert.equal(patch?.file, IDP)
  })

  const keeps: [name: string, edits: Edits, rows: ScopeUsageRow[], value: string][] = [
    ["the audience of the login's own token", {}, [], 'empowernow'],
    ['the audience that events go to', {}, [], 'https://analytics.ocg.labs.empowernow.ai'],
    ['the scope that events need', {}, [], 'api.write'],
    ['the scope that a service without calls asks for', {}, [], 'crud.write'],
    [
      'an audience that another client of the scope may ask for',
      {
        'IdP/config/clients.yaml': inOrder(
          replace('scopes: [api.write]', 'scopes: [application.all]'),
          replace(
            'allowed_audiences: [https://analytics.ocg.labs.empowernow.ai]',
            'allowed_audiences: [https://idp.ocg.labs.empowernow.ai/api/v1]',
          ),
        ),
      },
      calls,
      'https://idp.ocg.labs.empowernow.ai/api/v1',
    ],
  ]
  for (const [name, edits, rows, value] of keeps) {
    await t.test(`keeps ${name}`, () => {
      const { items } = advice(edits, rows)
      assert.ok(items.length > 0, 'something is advised')
      assert.ok(!items.some((item) => item.value === value), JSON.stringify(items))
    })
  }

  await t.test('is not given without the files of the IdP', () => {
    const { mappings } = narrow(configWith({}, true), { rows: calls, truncated: false })
    assert.deepEqual(mappings.items, [])
  })
})
