import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ROOT, replace, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { startEcho } from '@audience-bridge/testkit/echo.ts'
import { startGateway } from '@audience-bridge/testkit/gateway.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { until } from '@audience-bridge/testkit/wait.ts'
import { Growth } from '../src/top/growth.ts'
import { readScrape } from '../src/top/scrape.ts'
import { renderScreen } from '../src/top/screen.ts'
import { sortRoutes, type TopView, viewOf } from '../src/top/view.ts'

const MAIN = join(ROOT, 'apps/cli/src/main.ts')

const text = (requests: number, fast: number) => `
# HELP http_requests_total Requests answered.
http_requests_total{method="GET",endpoint="a",status="200"} ${requests}
http_requests_total{method="GET",endpoint="a",status="502"} ${requests / 2}
http_requests_total{method="GET",endpoint="b \\"q\\" \\\\ {x}",status="404"} 3
http_request_duration_seconds_bucket{le="0.1",method="GET",endpoint="a"} ${fast}
http_request_duration_seconds_bucket{le="0.2",method="GET",endpoint="a"} ${requests}
http_request_duration_seconds_bucket{le="+Inf",method="GET",endpoint="a"} ${requests}
http_request_duration_seconds_count{method="GET",endpoint="a"} ${requests}
bff_problems_total{code="UPSTREAM_UNREACHABLE",service="a_service"} ${requests / 2}
bff_idp_up 0
bff_upstream_duration_seconds_count{service="a_service"} ${requests}
bff_upstream_duration_seconds_count{service="b_service"} 0
bff_upstream_up{service="a_service",upstream="http://a:1/"} 1
bff_upstream_up{service="a_service",upstream="http://a:2/"} 0
circuit_breaker_status{service="b_service"} 1
`

test('figures are those between two scrapes', async (t) => {
  const [before, now] = [readScrape(text(100, 0), 1_000), readScrape(text(300, 100), 3_000)]

  await t.test('rates, errors and totals', () => {
    const view = viewOf(before, now)
    const [a, b] = view.routes
    assert.deepEqual(
      [a?.route, a?.per_second, a?.total, a?.server_errors_per_second],
      ['a', 150, 450, 50],
    )
    assert.deepEqual([b?.route, b?.per_second], ['b "q" \\ {x}', 0], 'labels are unescaped')
    assert.equal(b?.latency.since_start, true)
    assert.deepEqual(view.failures, [
      { code: 'UPSTREAM_UNREACHABLE', service: 'a_service', per_second: 50, total: 150 },
    ])
    assert.equal(view.idp_up, false)
    assert.deepEqual(
      view.services.map(({ service, upstreams, suspended }) => ({ service, upstreams, suspended })),
      [
        { service: 'a_service', upstreams: { up: 1, all: 2 }, suspended: false },
        { service: 'b_service', upstreams: null, suspended: true },
      ],
    )
    const shown = renderScreen(view, { url: '', sort: 'rate', now: 0 }).map(({ text }) => text)
    assert.ok(
      shown.some((line) => /^a_service +100 .* 1\/2 /.test(line)),
      shown.join('\n'),
    )
    assert.ok(shown.some((line) => /^b_service .* SUSPENDED /.test(line)))
  })

  await t.test('quantiles are interpolated in their bucket', () => {
    const growth = new Growth(before, now)
    // 100 of 200 were below 0.1 s, the others below 0.2 s.
    assert.equal(growth.quantile('http_request_duration_seconds', 0.25), 0.05)
    assert.equal(growth.quantile('http_request_duration_seconds', 0.5), 0.1)
    assert.ok(Math.abs((growth.quantile('http_request_duration_seconds', 0.75) ?? 0) - 0.15) < 1e-9)
    assert.equal(growth.quantile('nothing_seconds', 0.5), undefined)
    const beyond = readScrape('x_bucket{le="1"} 0\nx_bucket{le="+Inf"} 5\n', 0)
    assert.equal(new Growth(undefined, beyond).quantile('x', 0.5), 1, 'no more than is known')
  })

  await t.test('a process that began anew counts from nothing', () => {
    assert.equal(viewOf(now, readScrape(text(20, 0), 4_000)).routes[0]?.per_second, 30)
  })

  await t.test('the order is the one asked for', () => {
    const routes = viewOf(before, now).routes
    const names = (sort: Parameters<typeof sortRoutes>[1]) =>
      sortRoutes(routes, sort).map(({ route }) => route[0])
    assert.deepEqual(names('rate'), ['a', 'b'])
    assert.deepEqual(names('name'), ['a', 'b'])
    assert.deepEqual(names('errors'), ['a', 'b'])
    assert.deepEqual(names('p95'), ['a', 'b'])
  })
})

test('the screen fits, whatever its size, and obeys no name', () => {
  const route = (name: string, errors = 0) => ({
    ...{ route: name, per_second: 1, total: 1, client_errors_per_second: 0 },
    ...{ server_errors_per_second: errors },
    latency: { p50: 1, p95: 2345, p99: null, since_start: false },
  })
  const view: TopView = {
    ...viewOf(readScrape('', 0), readScrape('', 1_000)),
    routes: Array.from({ length: 200 }, (_, i) => route(`route-${i}`)),
    failures: Array.from({ length: 30 }, (_, i) => ({
      ...{ code: `CODE_${i}`, service: 'a', per_second: i, total: i },
    })),
  }
  const options = { url: 'http://localhost:8080', sort: 'rate' as const, now: 0 }
  for (const [columns, rows] of [
    [80, 24],
    [40, 10],
    [200, 60],
    [10, 3],
    [1, 1],
  ] as const) {
    const lines = renderScreen(view, { ...options, columns, rows })
    assert.ok(lines.length <= rows, `${rows}: ${lines.length}`)
    assert.ok(lines.every(({ text }) => text.length <= columns))
  }
  const whole = renderScreen(view, { ...options, columns: 80, rows: 24 }).map(({ text }) => text)
  assert.ok(
    whole.some((line) => /^route-0 +1\.0 +1\.0 ms +2\.3 s +– /.test(line)),
    whole.join('\n'),
  )
  assert.ok(
    whole.some((line) => line.startsWith('… ')),
    'what is left out is counted',
  )
  assert.ok(
    whole.some((line) => line.startsWith('CODE_29')),
    'failures are seen, the newest first',
  )
  const evil = { ...view, routes: [route('\x1b]0;owned\x07\u202e')] }
  const shown = renderScreen(evil, options)
    .map(({ text }) => text)
    .join('\n')
  for (const sign of ['\x1b', '\x07', '\u202e']) assert.ok(!shown.includes(sign))
})

async function startWorld(t: TestContext) {
  const echo = await startEcho(t)
  const gateway = await startGateway(t, {
    upstreams: { analytics_service: echo.origin, crud_service: echo.origin },
    edits: { 'BFF/config/settings.yaml': replace('auth:\n', 'auth:\n  eager_services: []\n') },
  })
  const directory = temporaryDirectory(t)
  const tokenFile = join(directory, 'admin.token')
  writeFileSync(tokenFile, gateway.adminToken)
  const args = ['--url', gateway.bff, '--token-file', tokenFile]
  return { gateway, directory, args }
}

/** The tool, beside a gateway in this process. */
async function run(args: readonly string[], cwd: string) {
  const child = spawn(process.execPath, [MAIN, 'top', ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    stdout += more
  })
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    stderr += more
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, stdout, stderr }
}

test('where nobody looks on, it says once what happens', async (t) => {
  const { gateway, directory, args } = await startWorld(t)
  const who = await gateway.signedIn()
  assert.equal((await who.fetch('/api/v1/analytics/x')).status, 200)
  assert.equal((await gateway.raw('GET', '/api/crud/x')).status, 401)

  const table = await run([...args, '--interval', '0.2'], directory)
  assert.equal(table.stderr, '')
  assert.equal(table.status, 0)
  assert.match(table.stdout, /^bridge top {2}http:\/\/localhost:\d+ {3}over 0\.\d s/)
  assert.match(table.stdout, /^api-analytics +0\.0 +\d.* +1$/m)
  assert.match(table.stdout, /^analytics_service .* \d+ s ago$/m)
  assert.match(table.stdout, /^crud_service .* never$/m)
  assert.match(table.stdout, /^SESSION_REQUIRED +crud_service +0\.0 +1$/m)
  assert.match(table.stdout, /sessions 1 {3}channels 0 {3}IdP up/)
  assert.ok(!table.stdout.includes('\x1b'), 'no colours, no moves')

  const { stdout, status } = await run(
    [...args, '--once', '--json', '--interval', '0.2'],
    directory,
  )
  assert.equal(status, 0)
  const view = JSON.parse(stdout) as TopView
  assert.deepEqual(view.routes.map(({ route }) => route).sort(), [
    'api-analytics',
    'api-crud',
    'bff',
  ])
  assert.equal(view.sessions, 1)
})

test('what is wrong is said: exit 2', async (t) => {
  const { args, directory } = await startWorld(t)
  const wrong = join(directory, 'wrong.token')
  writeFileSync(wrong, 'not the token')
  const [option, url = ''] = args
  const free = await freePorts(1)
  const cases: [args: string[], says: RegExp][] = [
    [
      ['--url', `http://127.0.0.1:${free}`],
      /127\.0\.0\.1:\d+ does not answer .*ECONNREFUSED.*is it running/,
    ],
    [[`${option}`, url, '--token-file', wrong], /answers 401 SESSION_REQUIRED.*--token-file/],
    [[...args, '--sort', 'size'], /--sort size: rate, p95, errors, name/],
    [[...args, '--interval', '0'], /--interval 0: seconds, from 0\.1/],
    [[...args, '--interval', 'x'], /--interval x/],
  ]
  for (const [given, says] of cases) {
    const { status, stderr, stdout } = await run(given, directory)
    assert.equal(status, 2, stderr)
    assert.match(stderr, says)
    assert.equal(stdout, '')
  }
})

/** The tool on a terminal of its own (util-linux `script`). */
function onTerminal(t: TestContext, cwd: string, args: readonly string[]) {
  const tty = join(cwd, 'tty')
  const command = `stty cols 100 rows 30; tty > ${tty}; exec ${process.execPath} ${MAIN} top ${args.join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH ?? '', TERM: 'xterm', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const terminal = {
    said: '',
    ended: new Promise<number | null>((resolve) => child.once('close', resolve)),
    press: (keys: string) => void child.stdin.write(keys),
    /** What was drawn last, whole, without colours. */
    screen: () => {
      const drawn = terminal.said
        .split('\x1b[H')
        .slice(1)
        .filter((one) => one.includes('\x1b[J'))
      return stripVTControlCharacters(drawn.at(-1) ?? '').split('\r\n')
    },
    async resize(columns: number, rows: number) {
      const device = await until('the terminal', () => existsSync(tty) && readFileSync(tty, 'utf8'))
      const size = ['-F', device.trim(), 'cols', String(columns), 'rows', String(rows)]
      await new Promise((resolve) => spawn('stty', size).once('close', resolve))
    },
  }
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    terminal.said += more
  })
  return terminal
}

const hasScript = existsSync('/usr/bin/script')

test('on a terminal it lives, follows keys and sizes, and leaves no trace', {
  skip: !hasScript && 'util-linux script is not installed',
}, async (t) => {
  const { gateway, directory, args } = await startWorld(t)
  const who = await gateway.signedIn()
  const terminal = onTerminal(t, directory, [...args, '--interval', '0.1'])
  await until('the first screen', () => terminal.screen().length > 3, 20_000)
  assert.ok(terminal.said.startsWith('\x1b[?1049h\x1b[?25l'))
  await until('a rate', async () => {
    await (await who.fetch('/api/v1/analytics/x')).arrayBuffer()
    return terminal.screen().some((line) => /^api-analytics +([1-9]|0\.[1-9])/.test(line))
  })
  assert.match(terminal.screen()[0] ?? '', /sorted by rate \(s\) {3}quit \(q\)$/)
  terminal.press('s')
  await until('the next order', () => /sorted by p95/.test(terminal.screen()[0] ?? ''))
  await terminal.resize(40, 8)
  await until('the new size', () => {
    const lines = terminal.screen()
    return lines.length <= 8 && lines.every((line) => line.length <= 40)
  })
  await gateway.drainBff()
  await terminal.resize(120, 30)
  await until('the trouble', () => terminal.screen().some((line) => /does not answer/.test(line)))
  await gateway.restartBff({ 'BFF/config/settings.yaml': (text) => `${text}\n# again\n` })
  await until('the figures again', () => {
    const lines = terminal.screen()
    return lines.length > 3 && !lines.some((line) => /does not answer/.test(line))
  })
  terminal.press('q')
  assert.equal(await terminal.ended, 0)
  assert.ok(terminal.said.trimEnd().endsWith('\x1b[?25h\x1b[?1049l'))
})

test('a signal leaves the terminal as it was, too', {
  skip: !hasScript && 'util-linux script is not installed',
}, async (t) => {
  const { directory, args } = await startWorld(t)
  const terminal = onTerminal(t, directory, args)
  await until('the first screen', () => terminal.screen().length > 3, 20_000)
  terminal.press('\x03')
  assert.equal(await terminal.ended, 0)
  assert.ok(terminal.said.trimEnd().endsWith('\x1b[?25h\x1b[?1049l'))
})

test('an answer that is no metrics is shown as nothing', async (t) => {
  const server = createServer((_req, res) => res.end('<html>not this</html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const { port } = server.address() as AddressInfo
  const answer = await run(
    ['--url', `http://127.0.0.1:${port}`, '--interval', '0.1'],
    temporaryDirectory(t),
  )
  assert.equal(answer.status, 0)
  assert.match(answer.stdout, /0\.0 req\/s/)
})
