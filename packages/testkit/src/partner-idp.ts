// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of the configuration files
import { once } from 'node:events'
import { join } from 'node:path'
import { buildIdp } from '@audience-bridge/idp/server.ts'
import { ensureSecretFile } from '@audience-bridge/kit/secret.ts'
import { type Cleanup, copyConfig, temporaryDirectory } from './config-copy.ts'
import { readIdpConfig } from './config-read.ts'
import { captureLog } from './log.ts'
import { freePort } from './ports.ts'
import { makeUsers } from './users.ts'

/** A second IdP, of somebody else: with keys, users and a client secret of its own. */
export interface PartnerIdp {
  issuer: string
  /** Of its client `bff-server`, as `file:PATH`. */
  clientSecret: string
  /** Starts it for the BFF at this origin. */
  start(bffOrigin: string): Promise<void>
}

/** Its client proves itself by a secret, where ours does by a key. */
const withSecret = (text: string) =>
  text
    .replace(
      '  token_endpoint_auth_method: private_key_jwt\n',
      '  client_secret: file:${BRIDGE_DATA}/secrets/bff-server.secret\n',
    )
    .replace(/ {2}# Where the IdP reaches the BFF.*\n {2}jwks_uri: .*\n/, '')

/** Chooses its address; nothing listens before `start`, which needs to know where the BFF is. */
export async function preparePartnerIdp(t: Cleanup): Promise<PartnerIdp> {
  const data = temporaryDirectory(t)
  const configDirectory = copyConfig(t, { 'IdP/config/clients.yaml': withSecret })
  const port = await freePort()
  // Cookies know no ports: its own must not meet those of the first IdP, at localhost.
  const issuer = `http://127.0.0.1:${port}/api/oidc`
  const secrets = ['bff-server', 'crud-service'].map((client) => {
    const path = join(data, 'secrets', `${client}.secret`)
    ensureSecretFile(path)
    return `file:${path}`
  })
  await makeUsers(join(data, 'idp/users.yaml'))
  return {
    issuer,
    clientSecret: secrets[0] ?? '',
    async start(bffOrigin) {
      const env = {
        BRIDGE_DATA: data,
        IDP_PORT: String(port),
        IDP_ISSUER: issuer,
        BFF_PUBLIC_URL: bffOrigin,
      }
      const { settings, clients } = readIdpConfig(configDirectory, env)
      const idp = await buildIdp({ settings, clients, log: captureLog([]) })
      t.after(async () => {
        idp.server.closeAllConnections()
        await idp.close()
      })
      idp.server.listen(port, '127.0.0.1')
      await once(idp.server, 'listening')
    },
  }
}
