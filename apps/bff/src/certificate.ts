import { createPrivateKey, X509Certificate } from 'node:crypto'

/**
 * The certificates of a PEM text, the own one first.
 *
 * @throws when there is none, or one cannot be read.
 */
export function readCertificates(text: string): X509Certificate[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (found === null) throw new Error('it holds no certificate')
  return found.map((pem) => new X509Certificate(pem))
}

/** Whether a private key is that of the first certificate; both of them are PEM texts. */
export function isPair(certificates: string, key: string): boolean {
  return readCertificates(certificates)[0]?.checkPrivateKey(createPrivateKey(key)) === true
}
