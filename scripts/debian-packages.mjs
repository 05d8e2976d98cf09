// Plain JavaScript for any Node from 20: brings the Debian packages that tests need.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Package, a file by which to see that it is there, and the variable that names another program. */
const PACKAGES = [
  { name: 'chromium', program: '/usr/bin/chromium', variable: 'CHROMIUM' },
  { name: 'redis-server', program: '/usr/bin/redis-server', variable: 'REDIS_SERVER' },
  { name: 'nginx-light', program: '/usr/sbin/nginx', variable: 'NGINX' },
  { name: 'caddy', program: '/usr/bin/caddy', variable: 'CADDY' },
  { name: 'openssl', program: '/usr/bin/openssl', variable: 'OPENSSL' },
]

/** Installs what is missing where it may: as root, with apt-get. Says so where it may not. */
export function ensureDebianPackages() {
  const missing = PACKAGES.filter(
    ({ program, variable }) => !existsSync(process.env[variable] ?? program),
  )
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name)
  const hint = missing.map(({ name, variable }) => `${variable}=/path/to/${name}`).join(' ')
  if (process.getuid?.() !== 0 || apt(['--version'], 'ignore') !== 0) {
    process.stderr.write(
      `Missing: ${names.join(', ')}. Install them, or set ${hint}; tests that need them will fail.\n`,
    )
    return
  }
  process.stdout.write(`Installing Debian packages: ${names.join(', ')} …\n`)
  apt(['update', '--quiet'])
  const status = apt(['install', '--quiet', '--yes', '--no-install-recommends', ...names])
  if (status !== 0) process.stderr.write(`apt-get could not install ${names.join(', ')}\n`)
}

function apt(args, stdio = 'inherit') {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync('apt-get', args, { env, stdio: ['ignore', stdio, stdio] }).status
}
