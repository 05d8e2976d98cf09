import { createHash, createPrivateKey } from 'node:crypto'
import type { BridgeConfig } from '@audience-bridge/chain/bridge-config.ts'
import type { Fault } from '@audience-bridge/chain/fault.ts'
import { isPair, readCertificates } from './certificate.ts'

/** With what the BFF itself listens by https; PEM texts. */
export interface FrontTls {
  cert: string
  key: string
  /** The same for the same certificate and key. Made of a hash; tells no secret. */
  id: string
}

/**
 * Reads `server.tls`. Each file is understood here, so that a certificate that is no good is refused at
 * the start or the reload, and what is in force stays.
 */
export function readFrontTls(
  { settings, placeOf }: BridgeConfig,
  readSecret: (value: string) => string,
): { tls: FrontTls | undefined; faults: Fault[] } {
  const { tls, public_url } = settings.server
  if (tls === undefined) return { tls: undefined, faults: [] }
  const faults: Fault[] = []
  const fault = (key: string, found: string, expected: string, mend: string) => {
    const path = ['server', ...key.split('.')]
    const words = { key: path.join('.'), found, expected, mend }
    faults.push({
      ...{ kind: 'malformed', code: 'unusable_file', at: placeOf('settings', path) },
      ...words,
    } as Fault)
  }
  const read = (key: 'cert_file' | 'key_file', check: (text: string) => unknown) => {
    const path = tls[key]
    try {
      const text = readSecret(`file:${path}`)
      check(text)
      return text
    } catch (cause) {
      const found = `"${path}": ${cause instanceof Error ? cause.message : String(cause)}`
      const what = key === 'key_file' ? 'a private key without a passphrase' : 'certificates'
      fault(`tls.${key}`, found, `a file with ${what} (PEM)`, `put it there, or correct ${key}`)
      return undefined
    }
  }
  const cert = read('cert_file', readCertificates)
  const key = read('key_file', createPrivateKey)
  if (!public_url.startsWith('https:')) {
    const mend = 'write the https origin that browsers use, or remove server.tls'
    fault('public_url', `"${public_url}"`, 'an https URL, as server.tls listens by https', mend)
  }
  if (cert !== undefined && key !== undefined && !isPair(cert, key)) {
    fault(
      'tls.key_file',
      `"${tls.key_file}", which is not the key of "${tls.cert_file}"`,
      'the private key of the first certificate of cert_file',
      'put both of one pair there',
    )
  }
  if (cert === undefined || key === undefined || faults.length > 0) {
    return { tls: undefined, faults }
  }
  const id = createHash('sha256')
    .update(JSON.stringify([cert, key]))
    .digest('base64url')
  return { tls: { cert, key, id }, faults }
}
