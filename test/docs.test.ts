import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readBridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import { judgeChain } from '@audience-bridge/chain/chain.ts'
import { formatFaults } from '@audience-bridge/chain/fault.ts'
import { PROBLEMS } from '@audience-bridge/contracts/problem.ts'
import { startSystem } from '@audience-bridge/testkit/system.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { ROOT } from './conventions/files.ts'
import { mergeFragment } from './docs/fragment.ts'
import { anchorsOf, type Block, blocksOf, linksOf, PAGES, readPage } from './docs/pages.ts'

const COMMANDS = PAGES.flatMap(blocksOf).filter(({ language }) => language === 'sh')

/*
 * A command of a page is run as it stands, in the checkout. Behind `sh` a block may say:
 *   running     it needs the system: one is started for all, and what differs from the page's
 *               addresses and paths is replaced as `replacements` says;
 *   exit=N      it ends with this code, not 0;
 *   by-name     running it here would be endless or change the checkout: only that what it names
 *               exists is checked (`npm run demo` itself is run by test/e2e/up.test.ts).
 */

test('commands that are not run name what exists', () => {
  const scripts: Record<string, string> = JSON.parse(readPage('package.json')).scripts
  const blocks = COMMANDS.filter(({ tags }) => tags.includes('by-name'))
  assert.ok(blocks.length > 0)
  for (const { page, text } of blocks) {
    for (const line of text.trim().split('\n')) {
      const script = /^npm (?:run )?([\w:-]+)/.exec(line)?.[1]
      const file = /^node (\S+)/.exec(line)?.[1]
      if (script !== undefined) assert.ok(scripts[script], `${page}: ${line}`)
      else assert.ok(file !== undefined && existsSync(join(ROOT, file)), `${page}: ${line}`)
    }
  }
})

test('every other command does what its page says', async (t) => {
  const system = await startSystem(t)
  const visitor = await system.signedIn('admin')
  const member = await (await system.signedIn('member')).session()
  const id = `docs-${randomUUID()}`
  await fetch(`${system.bff}/api/crud/projects`, { headers: { 'x-correlation-id': id } })
  const [admin] = system.users.filter(({ roles }) => roles.includes('admin'))
  const passwordFile = join(system.data, 'ada.password')
  writeFileSync(passwordFile, admin?.password ?? '')

  const replacements: [from: string, to: string][] = [
    ['http://localhost:8080', system.bff],
    ['http://localhost:8002', system.idp],
    ['http://localhost:8100', system.analytics],
    ['http://localhost:8000', system.crud],
    ['.data/', `${system.data}/`],
    ['ada.password', passwordFile],
    ['CORRELATION-ID', id],
    ['SUB', member.authenticated ? member.user.sub : ''],
  ]
  const env = {
    ...process.env,
    PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    BRIDGE_DATA: system.data,
    BRIDGE_CONFIG: system.config,
    BFF_PORT: new URL(system.bff).port,
    IDP_PORT: new URL(system.idp).port,
  }
  const hasCurl = spawnSync('curl', ['--version']).status === 0
  const blocks = COMMANDS.filter(({ tags }) => !tags.includes('by-name'))
  assert.ok(blocks.length > 0)
  for (const block of blocks) {
    const skip = !hasCurl && block.text.includes('curl ') && 'curl is not installed'
    await t.test(`${block.page}:${block.line}`, { skip }, async (t) => {
      const text = replacements.reduce((text, [from, to]) => text.replaceAll(from, to), block.text)
      await runBlock(t, block, text, env)
    })
  }

  await t.test('and the log holds the fragments of the brief', async () => {
    const answer = await visitor.fetch('/api/v1/analytics/workflows')
    assert.equal(answer.status, 200)
    await until('the log lines', () => {
      const log = system.log('bff')
      return (
        /bff_service_tokens_mapped services=\S*analytics_service/.test(log) &&
        log.includes('token_found=True service=analytics_service')
      )
    })
  })
})

async function runBlock(t: TestContext, { tags }: Block, text: string, env: NodeJS.ProcessEnv) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill())
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      output += more
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  const expected = tags.find((tag) => tag.startsWith('exit='))?.slice('exit='.length) ?? '0'
  assert.equal(String(code), expected, output)
  assert.notEqual(output, '')
}

test('every link leads to a file, and to a heading of it', () => {
  let links = 0
  for (const page of PAGES) {
    for (const { line, target, anchor } of linksOf(page)) {
      links++
      const file = target === '' ? page : join(dirname(page), target)
      assert.ok(existsSync(join(ROOT, file)), `${page}:${line}: ${target}`)
      if (anchor === undefined || !file.endsWith('.md')) continue
      assert.ok(anchorsOf(file).has(anchor), `${page}:${line}: ${target}#${anchor}`)
    }
  }
  assert.ok(links > 100, 'the links were found')
})

test('the page of a problem code says its status and title, and the list has them all', () => {
  const list = readPage('docs/errors/README.md')
  for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
    const page = readPage(`docs/errors/${code}.md`)
    assert.ok(page.startsWith(`# ${code}\n\n${status} · ${title}\n`), code)
    assert.ok(list.includes(`| [\`${code}\`](${code}.md) | ${status} | ${title} |`), code)
  }
})

test('the tables of docs/configuration.md are those of the schemas', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/config-docs.ts', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
})

/** The shipped files; with what `docs/add-a-service.md` adds to each. */
function shippedConfig(fragments: ReadonlyMap<string, string> = new Map()) {
  const source = (name: string) => {
    const file = `ServiceConfigs/${name}`
    const fragment = fragments.get(name)
    const text = readFileSync(join(ROOT, file), 'utf8')
    return { file, text: fragment === undefined ? text : mergeFragment(text, fragment) }
  }
  const { config, faults } = readBridgeConfig(
    {
      routes: source('BFF/config/routes.yaml'),
      settings: source('BFF/config/settings.yaml'),
      idp: {
        settings: source('IdP/config/settings.yaml'),
        clients: source('IdP/config/clients.yaml'),
      },
    },
    {},
  )
  assert.equal(formatFaults(faults), '')
  assert.ok(config?.idp)
  return { ...config, idp: config.idp }
}

test('what docs/add-a-service.md adds makes a whole chain, and each part is needed', () => {
  const fragments = new Map(
    blocksOf('docs/add-a-service.md')
      .filter(({ language }) => language === 'yaml')
      .map(({ text }) => [/^# (\S+)\n/.exec(text)?.[1] ?? '', text]),
  )
  assert.equal(fragments.size, 4)
  const brokenWith = (parts: ReadonlyMap<string, string>) => {
    const config = shippedConfig(parts)
    const route = config.compiled.find((one) => one.route.id === 'api-billing')
    assert.ok(route)
    return judgeChain(config, route).links.filter(({ state }) => state === 'broken').length
  }
  assert.equal(brokenWith(fragments), 0)
  for (const name of fragments.keys()) {
    if (basename(name) === 'routes.yaml') continue
    const without = new Map(fragments)
    without.delete(name)
    assert.ok(brokenWith(without) > 0, `the route works without ${name}`)
  }
})
