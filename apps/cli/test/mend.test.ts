import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import { workplace } from './bridge.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'

/** Faults of three files, some of which only come to light when others are mended. */
const MANY: Edits = {
  'BFF/config/routes.yaml': inOrder(
    replace('id: api-crud', 'id: api-analytics'),
    replace('    auth: session\n', '    auth: sesion\n'),
    (text) =>
      `${text}\n  - {id: again, path: /api/crud/*, target_service: crud_service, auth: session}\n  - {id: more, path: /api/more/*, target_service: crud_servise, auth: session}\n`,
  ),
  'BFF/config/settings.yaml': inOrder(
    replace('absolute_seconds', 'absolut_seconds'),
    replace(`  analytics_service: ${ANALYTICS}\n`, ''),
    replace('crud_service: crud.read crud.write', 'crud_service: crud.reed crud.write'),
  ),
  'IdP/config/clients.yaml': inOrder(
    replace('    - urn:ietf:params:oauth:grant-type:token-exchange\n', ''),
    replace('}/auth/callback', '}/callback'),
  ),
}

test('without --write the mends are shown, nothing changes, and the exit says so', (t) => {
  const place = workplace(t, MANY)
  const before = place.texts()
  const { status, stdout } = place.bridge('mend', '--all')
  assert.equal(status, 1)
  assert.match(stdout, /^# BFF team\n--- a\/ServiceConfigs\/BFF\/config\/routes\.yaml\n/)
  assert.match(stdout, /\n# IdP team\n--- a\/ServiceConfigs\/IdP\/config\/clients\.yaml\n/)
  assert.match(stdout, /Nothing is written yet; --write changes 3 files\./)
  assert.deepEqual(place.texts(), before)
})

test('--all --write heals everything that can be healed, also what comes to light by it', (t) => {
  const place = workplace(t, MANY)
  const settings = join(place.config, 'BFF/config/settings.yaml')
  const mode = statSync(settings).mode
  const { status, stdout } = place.bridge('mend', '--all', '--write')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /Written: 3 files\./)
  assert.equal(place.bridge('check').status, 0)
  assert.equal(statSync(settings).mode, mode)
})

test('only what is named is mended; the rest is listed', (t) => {
  const place = workplace(t, {
    'BFF/config/settings.yaml': replace(
      'analytics_service: api.read',
      'analytics_service: api.reed',
    ),
    'IdP/config/clients.yaml': replace('}/auth/callback', '}/callback'),
  })
  const { status, stdout } = place.bridge('mend', 'redirect_uri_missing', '--write')
  assert.equal(status, 1)
  assert.match(
    stdout,
    /Left to mend:\n\nServiceConfigs\/BFF\/config\/settings\.yaml\n.*service_scope_astray/,
  )
  assert.match(place.read('IdP/config/clients.yaml'), /\/auth\/callback\n/)
  assert.match(place.read('BFF/config/settings.yaml'), /api\.reed/)
})

test('what needs a person is left to one', (t) => {
  const place = workplace(t, {
    'BFF/config/routes.yaml': (text) => `${text}    authz: pdp\n`,
  })
  const { status, stdout } = place.bridge('mend', '--all', '--write')
  assert.equal(status, 1)
  assert.match(stdout, /Nothing to change\.\n\nLeft to mend:/)
  assert.match(place.read('BFF/config/routes.yaml'), /authz: pdp/)
})

test('a code that nothing has, or none at all: exit 2', (t) => {
  const { bridge } = workplace(t)
  assert.equal(bridge('mend').status, 2)
  const { status, stderr } = bridge('mend', 'unknown_key')
  assert.equal(status, 2)
  assert.match(stderr, /nothing to mend is called unknown_key/)
})

test('with nothing amiss there is nothing to do: exit 0', (t) => {
  const { status, stdout } = workplace(t).bridge('mend', '--all', '--write')
  assert.equal(stdout, 'Nothing to change.\n')
  assert.equal(status, 0)
})
