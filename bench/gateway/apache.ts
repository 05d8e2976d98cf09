import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleanup, temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { freePorts } from '@audience-bridge/testkit/ports.ts'
import { USERS } from '@audience-bridge/testkit/users.ts'
import { Visitor } from '@audience-bridge/testkit/visitor.ts'
import { CORES, onCore, pidOf, stop } from './process.ts'
import { AGENT, answers, type Product } from './product.ts'
import type { Caller, Subject } from './subject.ts'

export const MODULES = '/usr/lib/apache2/modules'
/** Some are built in, here or there. */
const NEEDED = [
  ...[
    'mpm_event',
    'authn_core',
    'authz_core',
    'authz_user',
    'unixd',
    'env',
    'headers',
    'log_config',
  ],
  ...['proxy', 'proxy_http', 'socache_shmcb', 'auth_openidc'],
]
const SECRET = 'secret-of-the-benchmark-and-nobody-else'

/**
 * Apache with mod_auth_openidc, sessions in its shared memory, after a sign-in of each user at the
 * product's IdP. The login's own token goes to the backend: it knows no audiences.
 */
export async function startApache(
  t: Cleanup,
  backend: number,
  product: Product,
  sessions: number,
): Promise<Subject> {
  const port = await freePorts(1)
  const origin = `http://localhost:${port}`
  let child: ReturnType<typeof onCore> | undefined
  t.after(() => child && stop(child))
  const directory = temporaryDirectory(t)
  appendFileSync(
    join(product.config, 'IdP/config/clients.yaml'),
    `
apache-of-the-bench:
  client_secret: ${SECRET}
  grant_types: [authorization_code, refresh_token]
  redirect_uris: [${origin}/signed-in]
  scopes: [openid, profile, email]
  first_party: true
  allowed_audiences: [empowernow]
`,
  )
  const file = join(directory, 'apache.conf')
  writeFileSync(
    file,
    `ServerRoot ${directory}
ServerName localhost
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
PidFile ${directory}/pid
DefaultRuntimeDir ${directory}
ErrorLog ${directory}/error.log
LogLevel error
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog ${directory}/access.log common
BufferedLogs On
Listen 127.0.0.1:${port}
ListenBacklog 4096
${NEEDED.filter((name) => existsSync(`${MODULES}/mod_${name}.so`))
  .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
  .join('\n')}
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
AsyncRequestWorkerFactor 40
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 120
OIDCProviderMetadataURL ${product.issuer}/.well-known/openid-configuration
OIDCClientID apache-of-the-bench
OIDCClientSecret ${SECRET}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI ${origin}/signed-in
OIDCCryptoPassphrase ${SECRET}
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCCacheType shm
OIDCCacheShmMax 4000
OIDCCacheShmEntrySizeMax 66065
OIDCPassClaimsAs environment
OIDCSessionInactivityTimeout 3600
<Location />
  AuthType openid-connect
  Require valid-user
  OIDCUnAuthAction auth true
  RequestHeader set Authorization "Bearer %{OIDC_access_token}e"
  RequestHeader unset Cookie
</Location>
ProxyPass /signed-in !
ProxyPass / http://127.0.0.1:${backend}/ connectiontimeout=5 keepalive=On max=256
`,
  )
  child = onCore(CORES.subject, 'apache2', ['-D', 'FOREGROUND', '-f', file])
  await answers(`${origin}/`, (status) => status === 302).catch((cause: unknown) => {
    throw new Error(readFileSync(join(directory, 'error.log'), 'utf8').slice(-2000), { cause })
  })
  const callers: Caller[] = []
  while (callers.length < sessions) callers.push(await signIn(origin))
  const name = 'Apache + mod_auth_openidc'
  return { name, port, pids: [pidOf(child)], path: '/bench', agent: AGENT, callers }
}

async function signIn(origin: string): Promise<Caller> {
  const visitor = new Visitor(origin)
  const form = await visitor.follow(await visitor.fetch('/bench'))
  const back = await visitor.follow(await visitor.submitLogin(form, USERS.member))
  if (!back.ok) throw new Error(`Apache's sign-in: ${back.status} ${back.url}`)
  const { token } = (await back.json()) as { token: string }
  return { cookie: visitor.cookie, token }
}
