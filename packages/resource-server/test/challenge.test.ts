import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderChallenge } from '../src/challenge.ts'
import { metadataUrl, protectedResourceMetadata } from '../src/metadata.ts'
import { requiredScope, requireScopes } from '../src/scopes.ts'

test('a challenge cannot be forged from inside a quoted value', () => {
  const challenge = renderChallenge({
    error: 'invalid_token',
    description: 'found x", error="none\\\r\nSet-Cookie: a=b é',
  })
  assert.equal(
    challenge,
    `Bearer error="invalid_token", error_description="found x', error='none???Set-Cookie: a=b ?"`,
  )
})

test('a request without credentials is challenged without an error', () => {
  assert.equal(renderChallenge({}), 'Bearer')
  assert.equal(renderChallenge({ realm: 'crud' }), 'Bearer realm="crud"')
})

test('a token with any of the scopes passes, and the least one is reported', async (t) => {
  const need = { anyOf: ['api.read', 'application.all'] } as const
  for (const scopes of [['api.read'], ['openid', 'application.all'], [...need.anyOf]]) {
    await t.test(scopes.join(' '), () => {
      const check = requireScopes({ scopes: new Set(scopes) }, need)
      assert.deepEqual(check, { kind: 'granted', required: 'api.read' })
    })
  }
})

test('what a call needed is one header, also when it needed nothing', () => {
  const need = { anyOf: ['api.read', 'application.all'] } as const
  assert.deepEqual(requiredScope(need), { 'x-required-scope': 'api.read' })
  assert.deepEqual(requiredScope(undefined), { 'x-required-scope': '""' })
})

test('a token without the scope is refused with 403 and told the least scope that would do', () => {
  const check = requireScopes(
    { scopes: new Set(['api.write']) },
    { anyOf: ['api.read', 'application.all'], realm: 'analytics' },
  )
  assert.equal(check.kind, 'refused')
  if (check.kind !== 'refused') return
  assert.equal(check.status, 403)
  assert.equal(check.required, 'api.read')
  assert.equal(
    check.challenge,
    'Bearer realm="analytics", error="insufficient_scope", error_description="the token lacks the scope api.read or application.all; it has api.write", scope="api.read"',
  )
})

test('the metadata of a resource', async (t) => {
  const cases: [string, string | undefined][] = [
    ['https://a.example', 'https://a.example/.well-known/oauth-protected-resource'],
    ['https://a.example/', 'https://a.example/.well-known/oauth-protected-resource'],
    ['https://a.example/api/v1', 'https://a.example/.well-known/oauth-protected-resource/api/v1'],
    ['empowernow', undefined],
    ['urn:service:x', undefined],
    ['https://a.example/#x', undefined],
  ]
  for (const [audience, url] of cases) {
    await t.test(`${audience} is at ${url ?? 'no place'}`, () => {
      assert.equal(metadataUrl(audience), url)
      const document = protectedResourceMetadata({ audience, issuer: 'https://i', scopes: ['a'] })
      assert.equal(document?.resource, url === undefined ? undefined : audience)
    })
  }
})
