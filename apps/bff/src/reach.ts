import { createHash, createPrivateKey } from 'node:crypto'
import type { Service } from '@audience-bridge/chain/bff-routes.ts'
import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import type { Fault } from '@audience-bridge/chain/fault.ts'
import { isPair, readCertificates } from './certificate.ts'

/** How the connections to the backends of a service are made. */
export interface Reach {
  /** The same for the same way: its connections may be shared. Made of a hash; tells no secret. */
  id: string
  http2: boolean
  /** Of https alone. */
  tls: ReachTls
}

/** Options of `tls.connect`; PEM texts. */
export interface ReachTls {
  ca?: string
  cert?: string
  key?: string
  servername?: string
  rejectUnauthorized?: false
}

/** HTTP/1.1, and the authorities that Node knows. */
const PLAIN: Reach = { id: '', http2: false, tls: {} }

/** The way to a service in this configuration. */
export const reachTo = (config: { reaches: ReadonlyMap<string, Reach> }, service: string): Reach =>
  config.reaches.get(service) ?? PLAIN

/** The files of `services.<name>`, by their key. */
const FILES = ['ca_path', 'client_cert_path', 'client_key_path'] as const
type FileKey = (typeof FILES)[number]

/**
 * The ways to all services that have one of their own. Each file is read and understood here, so that
 * a slip is refused at the start or the reload and not met by the first request.
 */
export function readReaches(
  { routes, placeOf }: BridgeConfig,
  readSecret: (value: string) => string,
): { reaches: Map<string, Reach>; faults: Fault[] } {
  const faults: Fault[] = []
  const reaches = new Map<string, Reach>()
  for (const [name, service] of Object.entries(routes.services)) {
    const fault = (key: FileKey, found: string, expected: string, mend: string) => {
      const path = ['services', name, key]
      const at = placeOf('routes', path)
      const words = { key: path.join('.'), found, expected, mend }
      faults.push({ kind: 'malformed', code: 'unusable_file', at, ...words })
    }
    reaches.set(name, reachOf(service, readSecret, fault))
  }
  return { reaches, faults }
}

type AddFault = (key: FileKey, found: string, expected: string, mend: string) => void

function reachOf(service: Service, readSecret: (value: string) => string, fault: AddFault): Reach {
  const read = (key: FileKey): string | undefined => {
    const path = service[key]
    if (path === undefined) return undefined
    try {
      const text = readSecret(`file:${path}`)
      if (key === 'client_key_path') createPrivateKey(text)
      else readCertificates(text)
      return text
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const what = key === 'client_key_path' ? 'a private key without a passphrase' : 'certificates'
      const found = `"${path}": ${reason}`
      fault(key, found, `a file with ${what} (PEM)`, `put it there, or correct ${key}`)
      return undefined
    }
  }
  const [ca, cert, key] = FILES.map(read)
  if (cert !== undefined && key !== undefined) {
    if (!isPair(cert, key)) {
      fault(
        'client_key_path',
        `"${service.client_key_path}", which is not the key of "${service.client_cert_path}"`,
        'the private key of the first certificate of client_cert_path',
        'put both of one pair there',
      )
    }
  }
  const { tls_server_name: servername, tls_verify, http2 } = service
  const tls: ReachTls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    ...(tls_verify ? {} : { rejectUnauthorized: false }),
  }
  if (!http2 && Object.keys(tls).length === 0) return PLAIN
  const id = createHash('sha256')
    .update(JSON.stringify([http2, tls]))
    .digest('base64url')
  return { id, http2, tls }
}
