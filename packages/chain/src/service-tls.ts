import { z } from 'zod'
import type { ConfigDocument } from './document.ts'
import type { Fault } from './fault.ts'

/** How the connections to a service's backend are made: keys of `services.<name>`. */
export const tlsKeys = {
  /** Certificates (PEM) of the authorities that may vouch for the backend, in place of those that Node knows. */
  ca_path: z.string().min(1).optional(),
  /** The name that its certificate must have, and that it is told (SNI); default: the host of `base_url`. */
  tls_server_name: z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
      'a host name',
    )
    .optional(),
  /** Our certificate (PEM), with those between it and its authority, for a backend that asks for one. */
  client_cert_path: z.string().min(1).optional(),
  /** Its private key (PEM, without a passphrase). */
  client_key_path: z.string().min(1).optional(),
  /** `false` believes whoever answers: tokens go to them. Told at every start and by `bridge check`; prefer `ca_path`. */
  tls_verify: z.boolean().default(true),
  /** Speaks HTTP/2 and nothing else: an https backend must agree to it (ALPN), an http one understand it unasked. */
  http2: z.boolean().default(false),
}

type TlsKeys = z.output<z.ZodObject<typeof tlsKeys>>

/** What would be accepted and ignored, or lacks its other half. */
export function tlsFaults(service: TlsKeys & { base_url: string }, ctx: z.RefinementCtx): void {
  const fault = (key: keyof TlsKeys, found: string, expected: string, mend: string) =>
    ctx.addIssue({
      code: 'custom',
      path: [key],
      message: expected,
      params: { code: 'conflicting_keys', found, expected, mend },
    })
  const { ca_path, tls_server_name, client_cert_path, client_key_path, tls_verify } = service
  const tls = { ca_path, tls_server_name, client_cert_path, client_key_path }
  if (service.base_url.startsWith('http:')) {
    for (const [key, value] of Object.entries(tls)) {
      if (value === undefined) continue
      fault(
        key as keyof TlsKeys,
        `${key} for "${service.base_url}"`,
        'an https base_url: there is no TLS otherwise',
        `write the base_url with https, or remove ${key}`,
      )
    }
  }
  if (!tls_verify && ca_path !== undefined) {
    fault(
      'tls_verify',
      'false, beside a ca_path that is then not asked',
      'one of them',
      'remove tls_verify: the authorities of ca_path are enough',
    )
  }
  if ((client_cert_path === undefined) !== (client_key_path === undefined)) {
    const [there, missing] =
      client_key_path === undefined
        ? (['client_cert_path', 'client_key_path'] as const)
        : (['client_key_path', 'client_cert_path'] as const)
    fault(there, `${there} without ${missing}`, 'both of them', `add ${missing}`)
  }
}

/** Services whose backend need not prove who it is: they work, and it must not be overlooked. */
export function unverified(
  { services }: { services: Readonly<Record<string, TlsKeys>> },
  document: Pick<ConfigDocument<unknown>, 'placeOf'>,
): Fault[] {
  return Object.entries(services).flatMap(([name, { tls_verify }]): Fault[] => {
    if (tls_verify) return []
    const path = ['services', name, 'tls_verify']
    return [
      {
        kind: 'unsafe',
        code: 'tls_unverified',
        at: document.placeOf(path),
        key: path.join('.'),
        found: 'false: whoever answers at that address is given tokens and what users send',
        expected: 'a backend that proves who it is',
        mend: 'name the authority of its certificate: "ca_path: FILE", and remove tls_verify',
      },
    ]
  })
}
