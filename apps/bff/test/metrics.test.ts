import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inOrder, ROOT, replace } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freezeTime } from '@audience-bridge/testkit/time.ts'

test('the metrics tell how it goes, by service and audience', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': replace('auth:\n', 'auth:\n  eager_services: []\n'),
      'BFF/config/routes.yaml': (text) =>
        `${text}\n  - id: bearer\n    path: /bearer/*\n    target_service: crud_service\n    upstream_path: /{path}\n    auth: bearer\n`,
    },
  })
  const read = async () => {
    const headers = { authorization: `Bearer ${gateway.adminToken}` }
    const text = await (await fetch(`${gateway.bff}/metrics`, { headers })).text()
    const values = new Map<string, number>()
    for (const line of text.split('\n')) {
      const [, name, value] = /^([^# ].*) (\S+)$/.exec(line) ?? []
      if (name !== undefined) values.set(name, Number(value))
    }
    return values
  }
  const before = await read()
  const lastUsed = (service: string) =>
    `bff_audience_last_used_timestamp_seconds{service="${service}"}`
  assert.equal(before.get(lastUsed('analytics_service')), 0)
  assert.equal(before.get('bff_active_sessions_total'), 0)

  const who = await gateway.signedIn()
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
  assert.equal((await who.fetch('/api/crud/x', { method: 'POST' })).status, 403)
  assert.equal((await gateway.raw('GET', '/bearer/x')).status, 401)
  assert.equal((await gateway.raw('GET', '/a/../b')).status, 400)
  assert.equal((await who.fetch('/auth/verify')).status, 200)
  assert.equal((await gateway.raw('GET', '/auth/verify')).status, 401)
  // The login's own token is over: it is renewed before the next one is minted.
  time.pass(3_500)
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 401, 'idle for too long')
  const after = await read()
  const expected = {
    'http_requests_total{method="GET",endpoint="api-analytics",status="200"}': 2,
    'http_request_duration_seconds_count{method="GET",endpoint="api-analytics"}': 3,
    'bff_upstream_duration_seconds_count{service="analytics_service"}': 2,
    'bff_upstream_duration_seconds_bucket{le="+Inf",service="analytics_service"}': 2,
    'bff_audience_tokens_total{service="analytics_service",source="minted"}': 1,
    'bff_audience_tokens_total{service="analytics_service",source="kept"}': 1,
    'bff_token_validation_total{status="failed"}': 1,
    'bff_security_events_total{event_type="csrf",severity="medium"}': 1,
    'bff_security_events_total{event_type="path_ambiguous",severity="medium"}': 1,
    traefik_forwardauth_success_total: 1,
    traefik_forwardauth_rejected_total: 1,
    'bff_oauth_flow_duration_seconds_count{flow_type="interactive"}': 1,
    [lastUsed('crud_service')]: 0,
  }
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, after.get(name)]))
  assert.deepEqual(found, expected)
  const used = after.get(lastUsed('analytics_service')) ?? 0
  const page = readFileSync(join(ROOT, 'docs/admin/observability.md'), 'utf8')
  const names = [...after.keys()].map((name) => name.replace(/(_bucket|_sum|_count)?(\{.*)?$/, ''))
  for (const name of new Set(names)) assert.ok(page.includes(`\`${name}\``), name)
  assert.ok(Math.abs(used - performance.timeOrigin / 1000 - performance.now() / 1000) < 60)
})

test('a renewal of the login is counted, and why a backend refused a token', async (t) => {
  const time = freezeTime(t)
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: {
      'BFF/config/settings.yaml': inOrder(
        replace('auth:\n', 'auth:\n  eager_services: []\n'),
        replace('idle_seconds: 1800', 'idle_seconds: 28800'),
      ),
    },
  })
  const who = await gateway.signedIn()
  time.pass(7_000)
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
  const challenges = [
    'Bearer error="invalid_token", reason="audience"',
    'Bearer error="invalid_token"',
    // The attack: a backend that makes up a series with each answer.
    `Bearer error="${Math.random()}", reason="${Math.random()}"`,
    undefined,
  ]
  for (const challenge of challenges) {
    echo.respond = (_arrival, res) => {
      res.writeHead(401, challenge === undefined ? {} : { 'www-authenticate': challenge }).end()
    }
    assert.equal((await who.fetch('/api/v1/analytics/x')).status, 401)
  }
  const headers = { authorization: `Bearer ${gateway.adminToken}` }
  const text = await (await fetch(`${gateway.bff}/metrics`, { headers })).text()
  assert.match(text, /^bff_token_refresh_total\{status="success"\} 1$/m)
  const refused = text.match(/^bff_upstream_401_total\{.*\} \d+$/gm)?.map((line) => line.slice(23))
  assert.deepEqual(
    refused,
    ['audience', 'invalid_token', 'other', 'none'].map(
      (reason) => `service="analytics_service",code="TOKEN_REJECTED",reason="${reason}"} 1`,
    ),
  )
})
