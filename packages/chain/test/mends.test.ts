// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Edits, inOrder, replace } from '@audience-bridge/testkit/config-copy.ts'
import type { BridgeSources } from '../src/bridge-config.ts'
import { checkBridge, type Finding } from '../src/check.ts'
import { applyEdits } from '../src/edit.ts'
import { FINDING_CODES } from '../src/finding-codes.ts'
import type { Patch } from '../src/patch.ts'
import { ALL, ANALYTICS, append, BACKEND, BREAKS, CLIENTS, ROUTES, SETTINGS } from './mend-cases.ts'
import { addAfter, shipped } from './shipped.ts'

/** Whatever stands in the files, what the patch writes is put in its place. */
function mended(sources: BridgeSources, { file, edits }: Patch): BridgeSources {
  const mend = (source: { file: string; text: string }) =>
    source.file === file ? { file, text: applyEdits(source.text, edits) } : source
  return {
    routes: mend(sources.routes),
    settings: mend(sources.settings),
    ...(sources.idp && {
      idp: { settings: mend(sources.idp.settings), clients: mend(sources.idp.clients) },
    }),
    backends: Object.fromEntries(
      Object.entries(sources.backends ?? {}).map(([service, source]) => [service, mend(source)]),
    ),
  }
}

const told = (findings: readonly Finding[]) =>
  findings.map(({ code, at }) => `${code} ${at?.file}:${at?.line}`)

test('the shipped files are clean', () => {
  assert.deepEqual(checkBridge(shipped(), {}), [])
})

test('check names exactly what is broken, and its patch, applied as given, heals it', async (t) => {
  for (const { what, edits, finds, routes, env = {} } of BREAKS) {
    await t.test(what, () => {
      const sources = shipped(edits)
      const findings = checkBridge(sources, env)
      const [code, file, line] = finds
      assert.equal(findings.length, 1, told(findings).join('\n'))
      const [finding] = findings
      assert.equal(finding?.code, code)
      assert.equal(finding?.at?.file, file)
      const text = sourceText(sources, file).split('\n')[(finding?.at?.line ?? 0) - 1]
      assert.ok(text?.includes(line), `names the line: ${text}`)
      if (routes !== undefined) assert.deepEqual(finding?.routes, routes)
      assert.ok(finding?.patch, 'has a patch')
      assert.deepEqual(checkBridge(mended(sources, finding.patch), env), [])
    })
  }
})

function sourceText({ routes, settings, idp, backends }: BridgeSources, file: string): string {
  const others = idp === undefined ? [] : [idp.settings, idp.clients]
  const all = [routes, settings, ...others, ...Object.values(backends ?? {})]
  return all.find((source) => source.file === file)?.text ?? ''
}

test('a typing error told twice has one mend', () => {
  const sources = shipped({ [SETTINGS]: replace('  port: ${BFF_PORT', '  prot: ${BFF_PORT') })
  const findings = checkBridge(sources, {})
  assert.deepEqual(told(findings), [`missing_key ${SETTINGS}:6`, `unknown_key ${SETTINGS}:7`])
  for (const { patch } of findings) {
    assert.ok(patch)
    assert.deepEqual(checkBridge(mended(sources, patch), {}), [])
  }
})

test('no patch opens what its author may believe closed', () => {
  const doubtful: Edits[] = [
    { [ROUTES]: replace('auth: session', 'auth: non') },
    { [ROUTES]: append('    authz: pdp') },
    { [SETTINGS]: append('authz_enabled: true') },
    { [ROUTES]: addAfter('  crud_service:', '    token_audience: a') },
  ]
  for (const edits of doubtful) {
    const [finding, ...more] = checkBridge(shipped(edits), {})
    assert.deepEqual(more, [])
    assert.ok(finding)
    assert.equal(finding.patch, undefined)
  }
})

test('no patch repeats a secret', () => {
  const [finding] = checkBridge(
    shipped({
      [SETTINGS]: replace('token_endpoint_auth_method: private_key_jwt', 'client_secret: 12345678'),
    }),
    {},
  )
  assert.equal(finding?.code, 'invalid_value')
  assert.ok(!JSON.stringify(finding).includes('12345678'))
})

test('a fault that many routes share is told once, with all of them', () => {
  const [finding, ...more] = checkBridge(
    shipped({ [CLIENTS]: replace('}/auth/callback', '}/callback') }),
    {},
  )
  assert.deepEqual(more, [])
  assert.deepEqual(finding?.routes, ALL)
})

test('faults of all files are told at once, in the order of files and lines', () => {
  const findings = checkBridge(
    shipped({
      [CLIENTS]: replace('first_party: true', 'frist_party: true'),
      [BACKEND]: replace(`  audience: ${ANALYTICS}\n`, ''),
      [ROUTES]: inOrder(
        replace('auth: session', 'auth: sesion'),
        replace('timeout: 30', 'timeout: 0'),
      ),
    }),
    {},
  )
  assert.deepEqual(
    findings.map(({ code, at }) => `${code} ${at?.file}`),
    [
      `missing_key ${BACKEND}`,
      `invalid_value ${ROUTES}`,
      `invalid_value ${ROUTES}`,
      `unknown_key ${CLIENTS}`,
    ],
  )
})

test('every code has its sentence', () => {
  for (const { finds } of BREAKS) assert.ok(Object.hasOwn(FINDING_CODES, finds[0]), finds[0])
})
