import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replace } from '@audience-bridge/testkit/config-copy.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { assertProblem } from '@audience-bridge/testkit/problem.ts'

/*
 * The attack: `/auth/login?return_to=//evil.example` lends our name, and a fresh session, to a page
 * that asks for the password once more. Where a login returns to must be ours in every reading.
 */

const REFUSED = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '\\/evil.example',
  '/\t/evil.example',
  '\t//evil.example',
  ' //evil.example',
  '/\n/evil.example',
  '/x\r\nSet-Cookie: a=b',
  '/x\u0000',
  '/x\u007f',
  '/x y',
  '/\u00e9',
  '/\uff0f/evil.example',
  // What a URL parser makes of these begins with two slashes.
  '/.//evil.example',
  '/..//evil.example',
  '/a/..//evil.example',
  '/%2e//evil.example',
  '/%2e%2e//evil.example',
  '/.//evil.example/..',
  'https://evil.example',
  'https:evil.example',
  'https:/evil.example',
  'HTTPS://EVIL.EXAMPLE',
  'http://allowed.example/x',
  'https://allowed.example.evil.example/x',
  'https://evilallowed.example/x',
  'https://allowed.example@evil.example/x',
  'https://user@allowed.example/x',
  'https://user:pw@allowed.example/x',
  'https://allowed.example:8443/x',
  'https://evil.example#https://allowed.example',
  'https://evil.example?https://allowed.example',
  'https://evil.example\\.allowed.example',
  'https://allowed.example%2eevil.example/',
  'https://allowed.example\t.evil.example',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\tscript:alert(1)',
  'javascript://allowed.example/%0aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'blob:https://allowed.example/x',
  'file:///etc/passwd',
  'evil.example',
  'x/y',
  '?x=1',
  '#x',
  '.',
  `/${'x'.repeat(2048)}`,
]

const TAKEN: [string | undefined, string][] = [
  [undefined, '/'],
  ['', '/'],
  ['/', '/'],
  ['/console?tab=1&x=%2F%2Fevil#top', '/console?tab=1&x=%2F%2Fevil#top'],
  ['/a/../b', '/b'],
  ['/x//y', '/x//y'],
  ['/x?u=https://evil.example', '/x?u=https://evil.example'],
  ['/%2F%2Fevil.example', '/%2F%2Fevil.example'],
  ['/@evil.example', '/@evil.example'],
  ['https://allowed.example/x?y#z', 'https://allowed.example/x?y#z'],
  ['https://ALLOWED.example/x', 'https://allowed.example/x'],
  ['https://port.example:8443/x', 'https://port.example:8443/x'],
]

test('return_to', async (t) => {
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/settings.yaml': replace(
        'auth:\n',
        'auth:\n  allowed_redirect_hosts: [allowed.example, "port.example:8443"]\n',
      ),
    },
  })
  const visitor = await gateway.signedIn()
  const begin = (returnTo: string | undefined) =>
    visitor.fetch(
      `/auth/login${returnTo === undefined ? '' : `?return_to=${encodeURIComponent(returnTo)}`}`,
    )

  await t.test('is refused where it is not ours in every reading', async () => {
    for (const returnTo of [
      ...REFUSED,
      gateway.bff.replace('http:', 'ftp:'),
      gateway.bff.replace('localhost', 'localhost.evil.example'),
      gateway.bff.replace('//', '//user@'),
    ]) {
      await assertProblem(await begin(returnTo), 'RETURN_TO_REFUSED').catch((cause: unknown) => {
        throw new Error(JSON.stringify(returnTo), { cause })
      })
    }
    await assertProblem(await visitor.fetch('/auth/login?return_to=/a&return_to=/b'), 'BAD_REQUEST')
  })

  await t.test('is refused to a person on a page, with nothing of it on the page', async () => {
    const response = await visitor.fetch(
      `/auth/login?return_to=${encodeURIComponent('"><script>alert(1)</script>')}`,
      { headers: { accept: 'text/html' } },
    )
    assert.equal(response.status, 400)
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.ok(!(await response.text()).includes('alert(1)'))
  })

  await t.test('is where the browser lands after the login', async () => {
    for (const [returnTo, expected] of [
      ...TAKEN,
      [`${gateway.bff}/own?x`, `${gateway.bff}/own?x`] as const,
    ]) {
      // The IdP knows the user: no form.
      const landed = await visitor.follow(
        await begin(returnTo),
        (next) => next.pathname !== '/auth/callback' && !next.href.startsWith(gateway.idp),
      )
      assert.equal(landed.status, 302)
      assert.equal(landed.headers.get('location'), expected)
      assert.equal(new URL(landed.url).pathname, '/auth/callback')
    }
  })
})
