import assert from 'node:assert/strict'
import test from 'node:test'
import { decideAudience, reachableScopes } from '@audience-bridge/chain/audience-policy.ts'
import type { ScopeMapping } from '@audience-bridge/chain/idp-settings.ts'
import fc from 'fast-check'
import { chooseTarget } from '../src/resources.ts'

const SCOPES = ['a', 'b', 'c', 'd', 'openid']
const AUDIENCES = ['x', 'x/', 'X', 'https://y', 'https://y/']

const scope = fc.constantFrom(...SCOPES)
const audience = fc.constantFrom(...AUDIENCES)
const mapping: fc.Arbitrary<ScopeMapping> = fc.record({
  scope,
  audiences: fc.uniqueArray(audience),
  implies: fc.uniqueArray(scope),
})
const question = fc.record({
  clientId: fc.constant('client'),
  allowed: fc.uniqueArray(audience),
  granted: fc.uniqueArray(scope),
  audience,
  requested: fc.option(fc.uniqueArray(scope, { minLength: 1 }), { nil: undefined }),
})

/** The rule written a second time, as plainly as it can be said. */
function holds(mappings: ScopeMapping[], granted: string[], wanted: string, aud: string): boolean {
  const seen = new Set<string>()
  const leads = (from: string): boolean => {
    if (seen.has(from)) return false
    seen.add(from)
    if (from === wanted) return true
    return mappings.some((m) => m.scope === from && m.implies.some(leads))
  }
  return (
    granted.some(leads) && mappings.some((m) => m.scope === wanted && m.audiences.includes(aud))
  )
}

test('the audience rule', async (t) => {
  await t.test('grants only what is reached, mapped and allowed, and all of it', () => {
    fc.assert(
      fc.property(fc.array(mapping, { maxLength: 6 }), question, (mappings, asked) => {
        const decision = decideAudience(mappings, asked)
        const possible = SCOPES.filter((s) => holds(mappings, asked.granted, s, asked.audience))
        const permitted = possible.length > 0 && asked.allowed.includes(asked.audience)
        const served = asked.requested?.every((s) => possible.includes(s)) ?? true
        assert.equal(decision.kind === 'granted', permitted && served)
        if (decision.kind === 'granted') {
          assert.deepEqual([...decision.scopes].sort(), [...(asked.requested ?? possible)].sort())
        } else {
          assert.equal(decision.error, permitted ? 'invalid_scope' : 'invalid_target')
        }
      }),
      { numRuns: 2000 },
    )
  })

  await t.test('never gives more to whoever holds less', () => {
    fc.assert(
      fc.property(fc.array(mapping, { maxLength: 6 }), question, (mappings, asked) => {
        const all = decideAudience(mappings, asked)
        const fewer = decideAudience(mappings, { ...asked, granted: asked.granted.slice(1) })
        if (fewer.kind === 'granted') {
          assert.equal(all.kind, 'granted')
          const held = new Set(all.kind === 'granted' ? all.scopes : [])
          assert.ok(fewer.scopes.every((s) => held.has(s)))
        }
      }),
      { numRuns: 1000 },
    )
  })

  await t.test('names exactly the half that is missing', () => {
    fc.assert(
      fc.property(fc.array(mapping, { maxLength: 6 }), question, (mappings, asked) => {
        const decision = decideAudience(mappings, asked)
        if (decision.kind !== 'refused' || decision.error !== 'invalid_target') return
        const mapped = SCOPES.some((s) => holds(mappings, asked.granted, s, asked.audience))
        const { description } = decision
        assert.equal(description.includes('is not mapped from any granted scope'), !mapped)
        assert.equal(
          description.includes('is not in allowed_audiences'),
          !asked.allowed.includes(asked.audience),
        )
      }),
      { numRuns: 1000 },
    )
  })

  await t.test('ends on scopes that imply each other', () => {
    const circle = [
      { scope: 'a', audiences: [], implies: ['b'] },
      { scope: 'b', audiences: [], implies: ['a'] },
    ]
    assert.deepEqual([...reachableScopes(circle, ['a'])].sort(), ['a', 'b'])
  })

  await t.test('writes no character into a description that OAuth forbids', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (name, id) => {
        const decision = decideAudience([], {
          ...{ clientId: id, allowed: [], granted: [name], audience: name, requested: undefined },
        })
        assert.ok(decision.kind === 'refused')
        assert.match(decision.description, /^[\x20-\x21\x23-\x5B\x5D-\x7E]*$/)
      }),
    )
  })
})

test('a request names one target', () => {
  const cases = [
    { params: {}, kind: 'none' },
    { params: { audience: '' }, kind: 'none' },
    { params: { audience: 'x' }, kind: 'target' },
    { params: { audience: ['x', 'x'] }, kind: 'target' },
    { params: { audience: 'https://x', resource: 'https://x' }, kind: 'target' },
    { params: { audience: 'https://x', resource: 'https://x/' }, kind: 'refused' },
    { params: { resource: 'x' }, kind: 'refused' },
    { params: { resource: '/x' }, kind: 'refused' },
    { params: { resource: 'https://x#' }, kind: 'refused' },
    { params: { resource: 'urn:x:y' }, kind: 'target' },
  ]
  for (const { params, kind } of cases) {
    assert.equal(chooseTarget(params).kind, kind, JSON.stringify(params))
  }
})
