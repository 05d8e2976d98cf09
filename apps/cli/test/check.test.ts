import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Finding } from '@audience-bridge/chain/check.ts'
import { checkBridge } from '@audience-bridge/chain/check.ts'
import { editConfig, replace } from '@audience-bridge/testkit/config-copy.ts'
import { workplace } from './bridge.ts'

const ANALYTICS = 'https://analytics.ocg.labs.empowernow.ai'

const told = (findings: readonly Finding[]) => findings.map(({ code, at }) => `${code} ${at?.file}`)

test('the shipped configuration is whole: exit 0, and the wide scope is noted', (t) => {
  const { status, stdout, stderr } = workplace(t).bridge('check')
  assert.equal(stderr, '')
  assert.equal(status, 0)
  assert.match(stdout, /^No fault in any file; every link holds for 2 routes to 2 services\.\n/)
  assert.match(stdout, /note: scope application\.all leads to 5 audiences: /)
})

test('every fault of every file is listed at once, with place, mend and patch: exit 1', (t) => {
  const place = workplace(t, {
    'BFF/config/routes.yaml': replace('    timeout: 30', '    timout: 30'),
    'IdP/config/clients.yaml': replace('first_party: true', 'first_party: maybe'),
    'Analytics/config/settings.yaml': replace('reader_roles', 'reader_rolls'),
    'CRUD/config/settings.yaml': replace('port: ${CRUD_PORT:-8000}', 'port: ${CRUD_PORT}'),
  })
  const { status, stdout } = place.bridge('check', '--json')
  assert.equal(status, 1)
  const { healthy, findings } = JSON.parse(stdout) as { healthy: boolean; findings: Finding[] }
  assert.equal(healthy, false)
  assert.deepEqual(told(findings), [
    'unknown_key ServiceConfigs/Analytics/config/settings.yaml',
    'unknown_key ServiceConfigs/BFF/config/routes.yaml',
    'variable_missing ServiceConfigs/CRUD/config/settings.yaml',
    'invalid_value ServiceConfigs/IdP/config/clients.yaml',
  ])
  assert.deepEqual(
    findings.map(({ patch }) => patch?.edits[0]?.op),
    ['rename', 'rename', undefined, undefined],
  )
})

test('a person reads the place, what it stops, and how to mend it, without colours in a pipe', (t) => {
  const { status, stdout } = workplace(t, {
    'BFF/config/settings.yaml': replace(`service: ${ANALYTICS}`, `service: ${ANALYTICS}/`),
  }).bridge('check')
  assert.equal(status, 1)
  assert.ok(!stdout.includes('\x1b['))
  assert.match(stdout, /^ServiceConfigs\/BFF\/config\/settings\.yaml\n {2}\d+:22 +audience_differs/)
  assert.match(stdout, /stops api-analytics\n/)
  assert.match(stdout, /they differ by a trailing slash\n/)
  assert.match(stdout, /\(bridge mend audience_differs --write\)/)
  assert.match(stdout, /\n1 broken link; bridge mend --all shows the change that mends it\.\n/)
})

test('what nothing leads to at the IdP is noted, and no fault', (t) => {
  const { status, stdout } = workplace(t, {
    'IdP/config/settings.yaml': replace('implies: [api.read', 'implies: [ghost, api.read'),
  }).bridge('check')
  assert.equal(status, 0)
  assert.match(
    stdout,
    /note: scope "application\.all" implies "ghost", which scope_mappings do not map/,
  )
})

test('what cannot be read is said not to be judged', (t) => {
  const place = workplace(t, {
    'BFF/config/settings.yaml': replace('idp_config_dir: ../../IdP/config\n', ''),
  })
  rmSync(join(place.config, 'IdP'), { recursive: true })
  rmSync(join(place.config, 'CRUD'), { recursive: true })
  const { status, stdout } = place.bridge('check')
  assert.equal(status, 0)
  assert.match(stdout, /every link that can be judged here holds/)
  assert.match(stdout, /the IdP's links are not judged/)
  assert.match(stdout, /what is expected of a token by crud_service is not judged/)
})

test('faults of the IdP leave its links open, and it is said', (t) => {
  const { status, stdout } = workplace(t, {
    'IdP/config/clients.yaml': replace('first_party', 'frist_party'),
  }).bridge('check')
  assert.equal(status, 1)
  assert.match(stdout, /note: the IdP's links are judged once its files are sound\n/)
})

test('a configuration that is not there: exit 2, and what to give', (t) => {
  const { status, stderr } = workplace(t).bridge('check', '--config', 'Elsewhere')
  assert.equal(status, 2)
  assert.match(stderr, /cannot read Elsewhere\/BFF\/config\/routes\.yaml; --config names/)
})

interface Sarif {
  version: string
  runs: {
    tool: { driver: { rules: { id: string }[] } }
    results: {
      ruleId: string
      ruleIndex: number
      locations: { physicalLocation: { region: { startLine: number } } }[]
      fixes: {
        artifactChanges: {
          artifactLocation: { uri: string }
          replacements: { deletedRegion: Region; insertedContent: { text: string } }[]
        }[]
      }[]
    }[]
  }[]
}

interface Region {
  startLine: number
  startColumn: number
  endLine: number
  endColumn: number
}

/** As a tool that knows nothing but SARIF applies it. */
function applyReplacement(text: string, region: Region, inserted: string): string {
  const offset = (line: number, column: number) =>
    text
      .split('\n')
      .slice(0, line - 1)
      .reduce((sum, before) => sum + before.length + 1, 0) +
    column -
    1
  return (
    text.slice(0, offset(region.startLine, region.startColumn)) +
    inserted +
    text.slice(offset(region.endLine, region.endColumn))
  )
}

test('SARIF holds rules, regions, and fixes that heal', (t) => {
  const place = workplace(t, {
    'BFF/config/settings.yaml': replace('absolute_seconds', 'absolut_seconds'),
  })
  const { status, stdout } = place.bridge('check', '--sarif')
  assert.equal(status, 1)
  const { version, runs } = JSON.parse(stdout) as Sarif
  assert.equal(version, '2.1.0')
  const [run] = runs
  const [result] = run?.results ?? []
  assert.equal(result?.ruleId, 'unknown_key')
  assert.equal(run?.tool.driver.rules[result?.ruleIndex ?? -1]?.id, 'unknown_key')
  const line = result?.locations[0]?.physicalLocation.region.startLine ?? 0
  assert.match(place.read('BFF/config/settings.yaml').split('\n')[line - 1] ?? '', /absolut_/)
  const [change] = result?.fixes[0]?.artifactChanges ?? []
  const [replacement] = change?.replacements ?? []
  assert.ok(change && replacement)
  assert.equal(change.artifactLocation.uri, 'ServiceConfigs/BFF/config/settings.yaml')
  editConfig(place.config, {
    'BFF/config/settings.yaml': (text) =>
      applyReplacement(text, replacement.deletedRegion, replacement.insertedContent.text),
  })
  const source = (file: string) => ({ file, text: place.read(file) })
  assert.deepEqual(
    checkBridge(
      { routes: source('BFF/config/routes.yaml'), settings: source('BFF/config/settings.yaml') },
      {},
    ),
    [],
  )
})

test('--json and --sarif exclude each other; an unknown option is named: exit 2', (t) => {
  const { bridge } = workplace(t)
  assert.equal(bridge('check', '--json', '--sarif').status, 2)
  const { status, stderr } = bridge('check', '--jsn')
  assert.equal(status, 2)
  assert.match(stderr, /--jsn/)
})
