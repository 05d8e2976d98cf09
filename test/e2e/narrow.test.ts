import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scopeUsageResponse } from '@audience-bridge/contracts/analytics.ts'
import { ROOT, replace } from '@audience-bridge/testkit/config-copy.ts'
import { type System, startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'

const SETTINGS = 'BFF/config/settings.yaml'
const WORKFLOWS = '/api/v1/analytics/workflows'
const PAGE = join(ROOT, 'docs/admin/narrow.md')

interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** `bridge narrow` as one of the system's users. */
function narrow(system: System, role: string, ...more: string[]): Promise<Ran> {
  const user = system.users.find(({ roles }) => roles.includes(role))
  assert.ok(user)
  const passwordFile = join(system.data, `${user.username}.password`)
  writeFileSync(passwordFile, `${user.password}\n`, { mode: 0o600 })
  const args = [
    ...['narrow', '--config', system.config, '--url', system.bff],
    ...['--user', user.username, '--password-file', passwordFile, ...more],
  ]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'apps/cli/src/main.ts'), ...args])
    const ran = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        ran[name] += text
      })
    }
    child.once('close', (code) => resolve({ code, ...ran }))
  })
}

/** What differs from run to run. */
const withoutTimes = (text: string) =>
  text
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\dZ/g, '2026-08-26 12:00Z')
    .replace(/^ {2}\d+ +api-/gm, '  12     api-')

test('a scope that is too broad is found from the calls, narrowed, and nobody notices', async (t) => {
  const system = await startSystem(t, {
    edits: {
      [SETTINGS]: replace(
        '  analytics_service: api.read\n',
        '  # Broad, from the days of V1.\n  analytics_service: application.all\n',
      ),
    },
  })
  const visitor = await system.signedIn('analyst')
  const csrf = await visitor.csrfToken()
  const call = async (
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ) => {
    const headers = { 'x-correlation-id': randomUUID(), 'x-csrf-token': csrf, ...init.headers }
    const response = await visitor.fetch(path, { ...init, headers })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  for (let i = 0; i < 3; i++) {
    const answer = await call(WORKFLOWS)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-required-scope'), null, 'the report is not the browser’s')
  }
  const project = { method: 'POST', body: JSON.stringify({ name: 'narrow' }) }
  const json = { 'content-type': 'application/json' }
  assert.equal((await call('/api/crud/projects', { ...project, headers: json })).status, 201)
  assert.equal((await call('/api/crud/projects')).status, 200)
  // These need no scope: that they do not is known, too.
  assert.equal((await call('/api/crud/whoami')).status, 200)
  assert.equal((await call('/api/crud/nothing')).status, 404)

  const settings = join(system.config, SETTINGS)
  const before = readFileSync(settings, 'utf8')

  await t.test('the calls are counted by what they needed and carried', async () => {
    const usage = await until('the events', async () => {
      const { text } = await call('/api/v1/analytics/scope-usage')
      const { rows } = scopeUsageResponse.parse(JSON.parse(text))
      return rows.filter(({ service }) => service === 'crud_service').length >= 3 && rows
    })
    assert.deepEqual(
      usage
        .map(
          (row) =>
            `${row.route_id} ${row.method} ${JSON.stringify(row.required_scope)} ${row.token_scopes}`,
        )
        .sort(),
      [
        'api-analytics GET "api.read" application.all',
        'api-crud GET "" crud.read crud.write',
        'api-crud GET "crud.read" crud.read crud.write',
        'api-crud POST "crud.write" crud.read crud.write',
      ],
    )
  })

  await t.test('a user who sees only the own calls decides nothing', async () => {
    const { code, stderr } = await narrow(system, 'member')
    assert.equal(code, 2)
    assert.match(stderr, /sees only the own calls; sign in as one with a role of reader_roles/)
  })

  await t.test('the narrower scope is proposed, and nothing is written', async () => {
    const { code, stdout, stderr } = await narrow(system, 'analyst')
    assert.equal(code, 1, stderr)
    assert.match(
      stdout,
      /^- {2}analytics_service: application\.all\n\+ {2}analytics_service: api\.read$/m,
    )
    assert.match(stdout, /would fail +none/)
    assert.match(stdout, /^crud_service .*\n.*\n.*\n {2}verdict +nothing to narrow$/m)
    assert.equal(readFileSync(settings, 'utf8'), before)
    keepInPage(stdout)
  })

  await t.test('as JSON, too', async () => {
    const { code, stdout } = await narrow(system, 'analyst', '--json', '--days', '1')
    assert.equal(code, 1)
    const { services, written } = JSON.parse(stdout) as {
      services: { service: string; state: string; proposed?: string[] }[]
      written: string[]
    }
    const found = services.map(({ service, state, proposed }) => [service, state, proposed])
    assert.deepEqual(found, [
      ['analytics_service', 'narrower', ['api.read']],
      ['crud_service', 'least', undefined],
      ['idp_service', 'unused', undefined],
    ])
    assert.deepEqual(written, [])
  })

  await t.test('--write changes that line alone, in force within a second', async () => {
    const { code, stdout } = await narrow(system, 'analyst', '--write')
    assert.equal(code, 0)
    assert.match(stdout, /^Written: ServiceConfigs\/BFF\/config\/settings\.yaml\./m)
    assert.equal(
      readFileSync(settings, 'utf8'),
      before.replace('analytics_service: application.all', 'analytics_service: api.read'),
    )
    const admin = readFileSync(system.admin_token_file, 'utf8').trim()
    const carried = async () => {
      const id = randomUUID()
      const answer = await call(WORKFLOWS, { headers: { 'x-correlation-id': id } })
      assert.equal(answer.status, 200, answer.text)
      const explained = await fetch(`${system.bff}/admin/explain/${id}`, {
        headers: { authorization: `Bearer ${admin}` },
      })
      const { request } = (await explained.json()) as {
        request: { token: { issued_scopes: string[] } }
      }
      return request.token.issued_scopes.join(' ')
    }
    // Of the same session: nobody signed out or in.
    await until('a token with api.read alone', async () => (await carried()) === 'api.read', 1_000)
  })

  await t.test(
    'then there is nothing to narrow, as a session says that is there already',
    async () => {
      const cookieFile = join(system.data, 'cookie.txt')
      writeFileSync(cookieFile, `Cookie: ${visitor.cookie}\n`, { mode: 0o600 })
      const { code, stdout } = await narrow(system, 'analyst', '--cookie-file', cookieFile)
      assert.equal(code, 0)
      assert.match(stdout, /^Nothing to narrow\.$/m)
    },
  )

  await t.test('a wrong password, a BFF that is away and nonsense could not run', async () => {
    const wrong = join(system.data, 'wrong.password')
    writeFileSync(wrong, 'wrong')
    const cases: [string[], RegExp][] = [
      [['--password-file', wrong], /the sign-in ends with 422 .*; bridge verify tells more/],
      [['--password-file', join(system.data, 'none')], /cannot read --password-file/],
      [['--url', 'http://127.0.0.1:9'], /does not answer/],
      [['--config', join(system.data, 'none')], /cannot read .*\.yaml; --config names/],
      [['--days', 'many'], /--days "many": give a number of days/],
    ]
    await Promise.all(
      cases.map(async ([args, says]) => {
        const { code, stderr } = await narrow(system, 'analyst', ...args)
        assert.equal(code, 2, args.join(' '))
        assert.match(stderr, says)
      }),
    )
  })
})

/** The page shows what was printed here; `UPDATE_DOCS=1` writes it anew. */
function keepInPage(stdout: string): void {
  const printed = withoutTimes(stdout)
  const page = readFileSync(PAGE, 'utf8')
  const block = /(?<=^```text narrow\n).*?(?=^```$)/ms
  if (process.env.UPDATE_DOCS === '1')
    writeFileSync(
      PAGE,
      page.replace(block, () => printed),
    )
  else assert.equal(block.exec(page)?.[0], printed, 'run this test with UPDATE_DOCS=1')
}
