import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { certificateSays, type SubjectProperty } from './certificate-subject.ts'

/* Clients that prove themselves with the certificate of their connection (RFC 8705 §2). */

export const CERTIFICATE_METHODS = ['tls_client_auth', 'self_signed_tls_client_auth'] as const

interface Connection {
  req: IncomingMessage
}

export function clientCertificates(enabled: boolean) {
  return {
    enabled,
    tlsClientAuth: enabled,
    selfSignedTlsClientAuth: enabled,
    getCertificate: (ctx: Connection) => certificateOf(ctx),
    certificateAuthorized: ({ req }: Connection) => (req.socket as TLSSocket).authorized === true,
    certificateSubjectMatches: (ctx: Connection, property: string, expected: string) => {
      const certificate = certificateOf(ctx)
      if (certificate === undefined) return false
      return certificateSays(certificate, property as SubjectProperty, expected)
    },
  }
}

function certificateOf({ req }: Connection): X509Certificate | undefined {
  const socket = req.socket as Partial<TLSSocket>
  return socket.getPeerX509Certificate?.()
}
