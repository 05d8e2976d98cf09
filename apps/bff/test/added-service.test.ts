import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { rawValues, startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'

const PATH = '/api/v1/analytics/workflows'

test('a trusted proxy is believed about the hops before it', async (t) => {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': replace('trusted_proxies: []', 'trusted_proxies: [127.0.0.0/8]'),
    },
  })
  const visitor = await gateway.signedIn()
  const answer = await gateway.raw('GET', PATH, [
    ['Cookie', visitor.cookie],
    ['X-Forwarded-For', '203.0.113.9, 10.0.0.1'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'app.example'],
    ['X-Real-IP', '203.0.113.9'],
    ['X-Original-User', 'mallory'],
    ['X-Forwarded-User', 'mallory'],
  ])
  assert.equal(answer.status, 200)
  const [arrival] = echo.arrivals
  assert.deepEqual(arrival && rawValues(arrival, 'x-forwarded-for'), [
    '203.0.113.9, 10.0.0.1, 127.0.0.1',
  ])
  assert.equal(arrival?.headers['x-forwarded-proto'], 'https')
  assert.equal(arrival?.headers['x-forwarded-host'], 'app.example')
  assert.equal(arrival?.headers['x-original-user'], undefined)
  assert.equal(arrival?.headers['x-forwarded-user'], undefined)
})

test('an echo backend added as a service is bridged like the others', async (t) => {
  const echo = await startEcho(t)
  const audience = 'https://echo.example/api'
  const gateway = await startGateway(t, {
    edits: {
      'BFF/config/routes.yaml': inOrder(
        replace('services:\n', `services:\n  echo_service:\n    base_url: ${echo.origin}/base\n`),
        (text) => `${text}
  - id: api-echo
    path: /api/echo/{tenant}/*
    target_service: echo_service
    upstream_path: /v2/{tenant}/x/{path}
    methods: [GET, POST]
    auth: session
  - id: api-echo-as-it-came
    path: /api/echo-plain/*
    target_service: echo_service
    preserve_path: true
    auth: session
`,
      ),
      'BFF/config/settings.yaml': inOrder(
        replace('service_audiences:\n', `service_audiences:\n  echo_service: ${audience}\n`),
        replace('service_scopes:\n', 'service_scopes:\n  echo_service: echo.use\n'),
      ),
      'IdP/config/settings.yaml': inOrder(
        replace('crud.read, crud.write]', 'crud.read, crud.write, echo.use]'),
        replace(
          '      - scope: api.write\n',
          `      - scope: echo.use\n        audiences: ["${audience}"]\n      - scope: api.write\n`,
        ),
      ),
      'IdP/config/clients.yaml': replace('- empowernow\n', `- empowernow\n    - ${audience}\n`),
    },
  })
  const visitor = await gateway.signedIn()
  const csrf = await visitor.csrfToken()
  for (const [path, target] of [
    ['/api/echo/acme/items/1?q=1', '/base/v2/acme/x/items/1?q=1'],
    ['/api/echo-plain/items/1', '/base/api/echo-plain/items/1'],
  ] as const) {
    const response = await visitor.fetch(path, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'x-csrf-token': csrf, 'content-type': 'application/json' },
    })
    assert.equal(response.status, 200)
    const arrival = echo.arrivals.at(-1)
    assert.equal(arrival?.url, target)
    assert.equal(arrival?.body, '{"a":1}')
    assert.equal(arrival?.claims?.aud, audience)
    assert.equal(arrival?.claims?.scope, 'echo.use')
    assert.equal(arrival?.claims?.sub, 'user-ben')
    assert.deepEqual(arrival?.claims?.act, { sub: 'bff-server' })
    assert.equal(arrival?.headers.cookie, undefined)
    assert.equal(arrival?.headers['x-csrf-token'], undefined)
  }
})
