import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { resolve } from 'node:path'
import type { IdpSettings } from '@audience-bridge/chain/idp-settings.ts'

type Tls = NonNullable<IdpSettings['server']['tls']>

export interface Listener {
  server: Server
  /** What certificate and key come from; none for http. */
  files: string[]
  /**
   * Takes over what the files hold now; connections that are open keep what they began with.
   *
   * @throws Error when a file cannot be read, or key and certificate do not fit.
   */
  renew(): void
}

/** The server, by http or by https, not listening yet. */
export function createListener(tls: Tls | undefined, answer: RequestListener): Listener {
  if (tls === undefined) return { server: createServer(answer), files: [], renew() {} }
  const server = createTlsServer(
    {
      ...readCertificate(tls),
      requestCert: tls.client_certificates,
      // Who has no certificate, or one that nobody vouches for, is no client; a browser may be so.
      rejectUnauthorized: false,
    },
    answer,
  )
  const files = [tls.cert_file, tls.key_file, tls.client_ca_file]
  return {
    server,
    files: files.flatMap((file) => (file === undefined ? [] : [resolve(file)])),
    renew: () => server.setSecureContext(readCertificate(tls)),
  }
}

function readCertificate(tls: Tls) {
  const { client_ca_file: ca } = tls
  return {
    cert: read(tls.cert_file),
    key: read(tls.key_file),
    minVersion: 'TLSv1.2' as const,
    ...(ca === undefined ? {} : { ca: read(ca) }),
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(resolve(file))
  } catch (cause) {
    throw new Error(`cannot read ${file}`, { cause })
  }
}
