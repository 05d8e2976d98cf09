import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { workplace } from './bridge.ts'

const AUDIENCE = 'https://reports.ocg.labs.empowernow.ai'
const ADD = [
  ...['add-service', 'reports_service', '--base-url', 'http://127.0.0.1:8300'],
  ...['--audience', AUDIENCE, '--scopes', 'reports.read reports.write'],
]
const PATH = ['--path', '/api/v1/reports/*']

test('the change over all files is shown by owner, and nothing is written', (t) => {
  const place = workplace(t)
  const before = place.texts()
  const { status, stdout } = place.bridge(...ADD, ...PATH)
  assert.equal(status, 0)
  const [bff = '', idp = ''] = stdout.split('\n# IdP team\n')
  assert.match(bff, /^# BFF team\n/)
  assert.match(bff, /\+ {2}- id: api-reports\n\+ {4}path: \/api\/v1\/reports\/\*\n/)
  assert.match(bff, /\+ {2}reports_service: reports\.read reports\.write\n/)
  assert.match(idp, /\+ {6}- scope: reports\.read\n\+ {8}audiences: \[https:\/\/reports/)
  assert.match(idp, /\+ {8}implies: \[.*, reports\.read, reports\.write\]/)
  assert.match(idp, /\+ {4}- https:\/\/reports\.ocg\.labs\.empowernow\.ai\n/)
  assert.match(stdout, /Sessions of yesterday call it without signing in again\.\n$/)
  assert.deepEqual(place.texts(), before)
})

test('written, it is whole; removed again, not a byte is left of it', (t) => {
  const place = workplace(t)
  const before = place.texts()
  assert.equal(place.bridge(...ADD, ...PATH, '--methods', 'get,post', '--write').status, 0)
  const { status, stdout } = place.bridge('check')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /3 routes to 3 services/)
  assert.match(place.read('BFF/config/routes.yaml'), /methods: \[GET, POST\]/)

  const can = place.bridge('can', '--service', 'reports_service')
  assert.match(can.stdout, /^Yes: a token with aud https:\/\/reports\S+ and scope reports\.read /)

  assert.equal(place.bridge('remove-service', 'reports_service', '--write').status, 0)
  assert.deepEqual(place.texts(), before)
})

test('another way to mint comes with what it needs at the IdP', (t) => {
  const place = workplace(t, {
    'IdP/config/clients.yaml': replace('    - client_credentials\n    - urn', '    - urn'),
  })
  const added = place.bridge(...ADD, ...PATH, '--mint', 'client_credentials', '--write')
  assert.equal(added.status, 0, added.stdout)
  assert.match(
    place.read('BFF/config/settings.yaml'),
    /service_mint:\n {2}reports_service: client_cred/,
  )
  assert.match(place.read('IdP/config/clients.yaml'), /- client_credentials\n/)
  assert.equal(place.bridge('check').status, 0)
})

test('a login without a wide scope asks for the new scope itself, and says what that means', (t) => {
  const place = workplace(t, {
    'BFF/config/settings.yaml': inOrder(
      replace('email application.all offline', 'email api.read crud.read crud.write offline'),
      replace('  idp_service: application.all\n', ''),
    ),
    'IdP/config/clients.yaml': replace('application.all]', 'api.read, crud.read, crud.write]'),
  })
  assert.equal(place.bridge('check').status, 0)
  const { status, stdout } = place.bridge(...ADD, ...PATH, '--write')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /Sessions of yesterday .*/)
  assert.equal(place.bridge('check').status, 0)
})

test('nothing is written after which the bridge would not be whole', (t) => {
  const place = workplace(t)
  const before = place.texts()
  const { status, stdout } = place.bridge(...ADD, '--path', '/api/crud/*', '--write')
  assert.equal(status, 1)
  assert.match(stdout, /Not written: after this change the bridge would not be whole\./)
  assert.match(stdout, /route_shadowed/)
  assert.deepEqual(place.texts(), before)
})

test('what was amiss before does not hinder, and is not mended along', (t) => {
  const place = workplace(t, {
    'BFF/config/settings.yaml': replace(
      'crud_service: crud.read crud.write',
      'crud_service: crud.reed',
    ),
  })
  const { status } = place.bridge(...ADD, ...PATH, '--write')
  assert.equal(status, 0)
  assert.match(place.read('BFF/config/settings.yaml'), /crud\.reed/)
})

test('without the files of the IdP its team is told what to do', (t) => {
  const place = workplace(t)
  rmSync(join(place.config, 'IdP'), { recursive: true })
  const { status, stdout } = place.bridge(...ADD, ...PATH)
  assert.equal(status, 0)
  assert.match(
    stdout,
    /The IdP's files are not readable here\. Its team maps reports\.read, reports\.write/,
  )
})

test('what is asked for wrongly: exit 2, and what to give', async (t) => {
  const place = workplace(t)
  const cases: [what: string, args: string[], message: RegExp][] = [
    [
      'no audience',
      ['add-service', 'x', '--base-url', 'http://x'],
      /bridge add-service NAME --base-url/,
    ],
    [
      'a name that is taken',
      [ADD[0] ?? '', 'crud_service', ...ADD.slice(2), ...PATH],
      /is there already/,
    ],
    [
      'a name that is none',
      [ADD[0] ?? '', 'a b', ...ADD.slice(2), ...PATH],
      /is no name for a service/,
    ],
    ['an unknown mint', [...ADD, ...PATH, '--mint', 'magic'], /--mint is one of token_exchange/],
    [
      'a service that nobody knows',
      ['remove-service', 'nothing'],
      /no file speaks of a service "nothing"/,
    ],
    [
      'the service of the events',
      ['remove-service', 'analytics_service'],
      /change events\.service first/,
    ],
  ]
  for (const [what, args, message] of cases) {
    await t.test(what, () => {
      const { status, stderr } = place.bridge(...args)
      assert.equal(status, 2)
      assert.match(stderr, message)
    })
  }
})

test('a shipped service can be taken away: its scopes and audience go with it', (t) => {
  const place = workplace(t)
  const { status, stdout } = place.bridge('remove-service', 'crud_service', '--write')
  assert.equal(status, 0, stdout)
  assert.equal(place.bridge('check').status, 0)
  for (const [file, text] of Object.entries(place.texts())) {
    if (!file.startsWith('CRUD/'))
      assert.ok(!/crud_service|crud\.(read|write|ocg)/.test(text), file)
  }
})
