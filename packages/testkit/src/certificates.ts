import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Certificate {
  certFile: string
  keyFile: string
  cert: string
  key: string
}

/**
 * A certificate made by openssl, signed by `issuer` or by itself.
 *
 * @param expired its end is the moment in which it was made; only with an issuer.
 */
export async function makeCertificate(
  directory: string,
  name: string,
  {
    subject,
    names,
    issuer,
    expired = false,
  }: { subject: string; names?: string; issuer?: Certificate; expired?: boolean },
): Promise<Certificate> {
  const [certFile, keyFile] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)]
  const openssl = (args: string[]) => promisify(execFile)('openssl', args)
  const signed = issuer === undefined ? [] : ['-CA', issuer.certFile, '-CAkey', issuer.keyFile]
  await openssl([
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '2', '-subj', subject, '-keyout', keyFile, '-out', certFile],
    ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
    // What is to be signed once more must have signed itself.
    ...(expired ? [] : signed),
  ])
  if (expired) {
    const again = ['x509', '-in', certFile, '-days', '0', '-set_serial', '2', '-out', certFile]
    await openssl([...again, ...signed])
  }
  const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
  return { certFile, keyFile, cert, key }
}

/** `fetch` by https that trusts `ca` alone and shows `own` when asked for a certificate. */
export function fetchWith(ca: Certificate, own?: Certificate) {
  return async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const client = request(url, {
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ca: ca.cert,
      agent: false,
      ...(own === undefined ? {} : { cert: own.cert, key: own.key }),
    })
    client.end(init.body === undefined || init.body === null ? undefined : String(init.body))
    const [answer] = await once(client, 'response')
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk)
    const headers = new Headers()
    for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value))
    return new Response(Buffer.concat(chunks), { status: answer.statusCode, headers })
  }
}
