import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideAudience } from '../src/audience-policy.ts'
import { type BridgeConfig, readBridgeConfig } from '../src/bridge-config.ts'
import { judgeChain } from '../src/chain.ts'
import { applyEdits } from '../src/edit.ts'
import { narrow } from '../src/narrow.ts'
import type { Patch } from '../src/patch.ts'
import { requirementOf } from '../src/requirement.ts'
import type { ScopeUsageRow } from '../src/scope-usage.ts'
import { shipped } from './shipped.ts'

const SERVICE = 'analytics_service'
const SCOPES = ['api.read', 'api.write', 'application.all', 'unknown.scope']
const LOGIN = ['openid', 'profile', 'email', 'application.all', 'offline_access']

const several = (scopes: string[]) => fc.subarray(scopes, { minLength: 1 })

const rows: fc.Arbitrary<ScopeUsageRow[]> = fc.array(
  fc.record({
    service: fc.constantFrom(SERVICE, SERVICE, SERVICE, 'crud_service'),
    route_id: fc.constantFrom('api-analytics', 'api-crud', 'gone', null),
    method: fc.constantFrom('GET', 'POST'),
    required_scope: fc.oneof(
      { weight: 12, arbitrary: several(SCOPES.slice(0, 2)).map((all) => all.join(' ')) },
      { weight: 2, arbitrary: fc.constantFrom('', ...SCOPES) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    token_scopes: several(SCOPES.slice(0, 3)).map((all) => all.join(' ')),
    refused: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
    requests: fc.integer({ min: 1, max: 5 }),
    last_at: fc.constant('2026-08-10T10:00:00.000Z'),
    sample_correlation_id: fc.constant(null),
  }),
  { maxLength: 6 },
)

const asked = fc.tuple(several(SCOPES.slice(0, 3)), fc.constantFrom('all', 'any'))

/** The shipped files, where analytics asks for other scopes, and after patches. */
function configOf([scopes, requires]: [string[], string], patches: (Patch | undefined)[] = []) {
  const sources = shipped({
    'BFF/config/settings.yaml': (text) =>
      text.replace(
        `${SERVICE}: api.read`,
        `${SERVICE}: {scopes: [${scopes.join(', ')}], requires: ${requires}}`,
      ),
  })
  const patched = (source: { file: string; text: string }) => ({
    ...source,
    text: applyEdits(
      source.text,
      patches.flatMap((patch) => (patch?.file === source.file ? patch.edits : [])),
    ),
  })
  assert.ok(sources.idp)
  const idp = { ...sources.idp, settings: patched(sources.idp.settings) }
  const { config, faults } = readBridgeConfig(
    { ...sources, settings: patched(sources.settings), idp },
    {},
  )
  assert.deepEqual(faults, [])
  assert.ok(config)
  return config
}

const words = (text: string | null) => (text ?? '').split(' ').filter((word) => word !== '')
const within = (part: string[], whole: readonly string[]) =>
  part.every((one) => whole.includes(one))

const askedOf = (config: BridgeConfig, service: string) => {
  const requirement = requirementOf(config.settings, service)
  assert.ok(requirement)
  return requirement
}

function issued(config: BridgeConfig, service: string) {
  const { audience, scopes } = askedOf(config, service)
  assert.ok(config.idp)
  return decideAudience(config.idp.settings.token.audience_mappings.scope_mappings, {
    clientId: 'bff-server',
    allowed: config.idp.clients['bff-server']?.allowed_audiences ?? [],
    granted: LOGIN,
    audience,
    requested: scopes,
  })
}

/** Enough that proposals are common; how common is asserted. */
const RUNS = 200

test('whatever was called, a proposal serves it all, can be issued and opens nothing', () => {
  let proposals = 0
  fc.assert(
    fc.property(asked, rows, (present, drawn) => {
      const before = configOf(present)
      const { services } = narrow(before, { rows: drawn, truncated: false })
      for (const { service, patch, would_fail, state } of services) {
        assert.equal(patch !== undefined, state === 'narrower')
        if (patch === undefined) continue
        proposals += 1
        assert.deepEqual(would_fail, [])
        const after = configOf(present, [patch])
        const { scopes } = askedOf(after, service)
        const held = askedOf(before, service).scopes
        for (const row of drawn.filter((one) => one.service === service)) {
          assert.notEqual(row.required_scope, null, 'an unknown need was ignored')
          const needed = words(row.required_scope)
          if (!row.refused) assert.ok(within(needed, scopes), `${needed} of ${scopes}`)
          // With all of the present scopes it was refused: it must not pass with fewer.
          const tried = row.refused && within([...held], words(row.token_scopes))
          if (tried && !within(needed, held)) assert.ok(!within(needed, scopes), 'it opens a door')
        }
        assert.equal(issued(after, service).kind, 'granted')
        for (const route of after.compiled) assert.equal(judgeChain(after, route).broken, undefined)
        const again = narrow(after, { rows: drawn, truncated: false })
        assert.notEqual(again.services.find((one) => one.service === service)?.state, 'narrower')
      }
    }),
    { numRuns: RUNS },
  )
  assert.ok(proposals > RUNS / 20, `${proposals} proposals prove little`)
})

test('a proposal never asks for a scope that the present ones do not hold', () => {
  const held: Record<string, string[]> = {
    'api.read': ['api.read'],
    'api.write': ['api.write'],
    'crud.read': ['crud.read'],
    'crud.write': ['crud.write'],
    'application.all': ['application.all', 'api.read', 'api.write', 'crud.read', 'crud.write'],
  }
  fc.assert(
    fc.property(asked, rows, (present, drawn) => {
      const config = configOf(present)
      for (const { service, patch } of narrow(config, { rows: drawn, truncated: false }).services) {
        if (patch === undefined) continue
        const before = askedOf(config, service).scopes.flatMap((scope) => held[scope] ?? [])
        const { scopes } = askedOf(configOf(present, [patch]), service)
        assert.ok(within([...scopes], before), `${scopes} of ${before}`)
      }
    }),
    { numRuns: RUNS },
  )
})

test('with the advice of the IdP team taken too, every service that was called has its token', () => {
  fc.assert(
    fc.property(asked, rows, (present, drawn) => {
      const { services, mappings } = narrow(configOf(present), { rows: drawn, truncated: false })
      const after = configOf(present, [...services.map(({ patch }) => patch), mappings.patch])
      for (const { service, calls } of services) {
        if (calls.length > 0) assert.equal(issued(after, service).kind, 'granted', service)
      }
    }),
    { numRuns: RUNS / 2 },
  )
})
