import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { editConfig, replace } from '@audience-bridge/testkit/config-copy.ts'
import { type Workplace, workplace } from './bridge.ts'

const CRUD = 'https://crud.ocg.labs.empowernow.ai'

/** The configuration as it is, beside a copy with edits. */
function changed(place: Workplace, edits: Parameters<typeof editConfig>[1]): void {
  cpSync(place.config, join(place.directory, 'Before'), { recursive: true })
  editConfig(place.config, edits)
}

test('a line that opens nothing gains nothing', (t) => {
  const place = workplace(t)
  // Allowed, but mapped from no scope that this client may hold.
  changed(place, {
    'IdP/config/clients.yaml': replace(
      'scopes: [api.write]\n  allowed_audiences: [https://analytics',
      `scopes: [api.write]\n  allowed_audiences: [${CRUD}, https://analytics`,
    ),
  })
  const { status, stdout } = place.bridge('diff', 'Before', '--fail-on-widening')
  assert.equal(stdout, 'Nobody gains or loses access.\n')
  assert.equal(status, 0)
})

test('what a change opens is told, for whom, and fails a review that forbids it', async (t) => {
  const cases: [what: string, edits: Parameters<typeof editConfig>[1], line: string][] = [
    [
      'a client gains a scope',
      {
        'IdP/config/clients.yaml': replace(
          '  scopes: [api.write]',
          '  scopes: [api.write, api.read]',
        ),
      },
      '+ token   crud-service with api.read can have api.read for https://analytics.ocg.labs.empowernow.ai (analytics_service)',
    ],
    [
      'a scope implies another',
      {
        'IdP/config/settings.yaml': replace('implies: [api.read', 'implies: [admin.api, api.read'),
      },
      '+ token   bff-server with application.all can have admin.api for https://idp.ocg.labs.empowernow.ai/api/admin',
    ],
    [
      'a route opens to everybody',
      { 'BFF/config/routes.yaml': (text) => text.replace(/auth: session\n$/, 'auth: none\n') },
      '+ route   anyone may call DELETE GET HEAD PATCH POST PUT /api/crud/* of crud_service at http://127.0.0.1:8000',
    ],
    [
      'a method more',
      { 'BFF/config/routes.yaml': replace('[GET, POST, PUT', '[GET, OPTIONS, POST, PUT') },
      '+ route   a session may call OPTIONS /api/crud/* of crud_service at http://127.0.0.1:8000',
    ],
    [
      'calls and tokens go elsewhere',
      {
        'BFF/config/routes.yaml': replace(
          'http://${CRUD_HOST:-127.0.0.1}',
          'http://${CRUD_HOST:-10.0.0.9}',
        ),
      },
      '+ route   a session may call DELETE GET HEAD PATCH POST PUT /api/crud/* of crud_service at http://10.0.0.9:8000',
    ],
    [
      'a wider token is sent',
      {
        'BFF/config/settings.yaml': replace(
          'analytics_service: api.read',
          'analytics_service: api.read api.write',
        ),
      },
      '+ bridge  a session with application.all is sent to analytics_service with api.write for https://analytics.ocg.labs.empowernow.ai',
    ],
  ]
  for (const [what, edits, line] of cases) {
    await t.test(what, (t) => {
      const place = workplace(t)
      changed(place, edits)
      const { status, stdout } = place.bridge(
        'diff',
        'Before',
        'ServiceConfigs',
        '--fail-on-widening',
      )
      assert.ok(stdout.split('\n').includes(line), stdout)
      assert.equal(status, 1)
      assert.equal(place.bridge('diff', 'Before').status, 0)
      // The other way round, the same is lost.
      const { stdout: back } = place.bridge('diff', 'ServiceConfigs', 'Before')
      assert.ok(back.split('\n').includes(line.replace('+', '-')), back)
    })
  }
})

test('revisions of a repository are compared as directories are', (t) => {
  const place = workplace(t)
  const git = (...args: string[]) => {
    const config = [
      '-c',
      'user.name=t',
      '-c',
      'user.email=t@example.com',
      '-c',
      'commit.gpgsign=false',
    ]
    const ran = spawnSync('git', [...config, ...args], { cwd: place.directory, encoding: 'utf8' })
    assert.equal(ran.status, 0, ran.stderr)
  }
  git('init', '-q')
  git('add', '.')
  git('commit', '-q', '-m', 'before')
  git('tag', 'before')
  editConfig(place.config, { 'IdP/config/clients.yaml': replace(`    - ${CRUD}\n`, '') })
  git('commit', '-q', '-a', '-m', 'after')

  const { status, stdout } = place.bridge('diff', 'before', 'HEAD', '--json', '--fail-on-widening')
  assert.equal(status, 0)
  const { widens, changes } = JSON.parse(stdout) as {
    widens: boolean
    changes: { change: string; access: { kind: string; audience: string } }[]
  }
  assert.equal(widens, false)
  assert.deepEqual([...new Set(changes.map(({ access }) => access.audience))], [CRUD])
  assert.deepEqual(
    changes.map(({ change, access }) => `${change} ${access.kind}`),
    ['loses route', 'loses bridge', 'loses token'],
  )
  assert.equal(place.bridge('diff', 'HEAD').stdout, 'Nobody gains or loses access.\n')
  assert.equal(place.bridge('diff', 'nothing', 'HEAD').status, 2)
  // An option of git's is no revision.
  assert.equal(place.bridge('diff', '--', '--output=x', 'HEAD').status, 2)
})

test('bridge can: what token would come out, and on what grounds', (t) => {
  const { bridge } = workplace(t)
  const yes = bridge('can', '--service', 'analytics_service')
  assert.equal(yes.status, 0)
  assert.match(yes.stdout, /^Yes: a token with aud https:\/\/analytics\S+ and scope api\.read\.\n/)
  assert.match(
    yes.stdout,
    /application\.all, held, leads to it {2}\(ServiceConfigs\/IdP\/config\/settings\.yaml:\d+:\d+\)/,
  )

  const no = bridge('can', '--client', 'crud-service', '--scopes', 'api.write', '--service', CRUD)
  assert.equal(no.status, 1)
  assert.match(
    no.stdout,
    /^No: invalid_target: .*is not in allowed_audiences of client 'crud-service'/,
  )

  const beyond = bridge(
    'can',
    '--client',
    'crud-service',
    '--scopes',
    'application.all',
    '--service',
    'analytics_service',
  )
  assert.equal(beyond.status, 1)
  assert.match(
    beyond.stdout,
    /^No: invalid_scope: client 'crud-service' may not hold application\.all/,
  )

  const off = bridge(
    'can',
    '--client',
    'demo-generator',
    '--scopes',
    'api.write',
    '--service',
    'analytics_service',
  )
  assert.match(off.stdout, /^No: invalid_client: client 'demo-generator' is disabled/)
  assert.equal(
    bridge('can', '--client', 'nobody', '--scopes', 'x', '--service', 'crud_service').status,
    2,
  )
  assert.equal(bridge('can').status, 2)
})
