import type { X509Certificate } from 'node:crypto'

/*
 * What a client's certificate says of the client (RFC 8705 §2.1.2). Compared exactly: no wildcard, no
 * other order, no other case.
 */

export type SubjectProperty =
  | 'tls_client_auth_subject_dn'
  | 'tls_client_auth_san_dns'
  | 'tls_client_auth_san_uri'

export function certificateSays(
  certificate: X509Certificate,
  property: SubjectProperty,
  expected: string,
): boolean {
  if (property === 'tls_client_auth_subject_dn') {
    return sameNames(splitName(expected), certificate.subject.split('\n').reverse())
  }
  const kind = property === 'tls_client_auth_san_dns' ? 'DNS' : 'URI'
  return alternativeNames(certificate.subjectAltName ?? '').includes(`${kind}:${expected}`)
}

/** The parts of a name as RFC 4514 writes it, the most specific first. */
function splitName(name: string): string[] {
  return (name.match(/(?:\\.|[^,\\])+/g) ?? []).map((part) => part.replace(/^ +/, ''))
}

function sameNames(expected: readonly string[], actual: readonly string[]): boolean {
  return (
    expected.length === actual.length && expected.every((part, index) => part === actual[index])
  )
}

/**
 * The alternative names, of which Node makes one text. The attack: a name with a comma in it that
 * reads like two. Node puts such a name in quotes, and what is in quotes equals none of ours.
 */
function alternativeNames(text: string): string[] {
  return (text.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? []).map((name) => name.trim())
}
