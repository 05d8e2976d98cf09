import { z } from 'zod'
import { isSecureUrl } from './local-hosts.ts'

/**
 * A key that the documentation of the re-implemented system has and nothing implements yet. Using
 * it is an error: a security switch that is accepted and ignored is the worst of all.
 */
export function notYet(name: string): z.ZodOptional<z.ZodUnknown> {
  return (
    z
      .unknown()
      .superRefine((value, ctx) => {
        if (value !== undefined) ctx.addIssue(notImplemented(name))
      })
      .optional()
      // For editors, which read the JSON Schema.
      .meta({ description: 'Documented but not implemented yet: using it is an error.', not: {} })
  )
}

/** The issue for a documented key or value that nothing implements yet. */
export function notImplemented(name: string): {
  code: 'custom'
  message: string
  params: Record<string, string>
} {
  return {
    code: 'custom',
    message: 'not implemented yet',
    params: {
      code: 'not_implemented',
      found: `"${name}", which is documented but not implemented yet`,
      expected: 'only what takes effect: a setting that is accepted and ignored would deceive you',
      mend: `remove "${name}"`,
    },
  }
}

/** The keys that `schema` knows at `path`, so that an unknown one can be told what was meant. */
export function knownKeys(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  const at = schemaAt(schema, path)
  return at === undefined ? [] : objectsIn(unwrap(at)).flatMap(({ shape }) => Object.keys(shape))
}

/** The schema of what stands at `path`; undefined within a union or where nothing may stand. */
export function schemaAt(
  schema: z.core.$ZodType,
  path: readonly (string | number)[],
): z.ZodType | undefined {
  let at: z.core.$ZodType | undefined = schema
  for (const step of path) {
    const parent: z.core.$ZodType = unwrap(at)
    if (parent instanceof z.ZodObject) at = parent.shape[String(step)]
    else if (parent instanceof z.ZodRecord) at = parent.valueType
    else if (parent instanceof z.ZodArray) at = parent.element
    else at = undefined
    if (at === undefined) return undefined
  }
  return at instanceof z.ZodType ? at : undefined
}

function objectsIn(schema: z.core.$ZodType): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema]
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((option) => objectsIn(unwrap(option)))
  return []
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.def.innerType)
  }
  return schema instanceof z.ZodPipe ? unwrap(schema.def.in) : schema
}

/** An absolute http or https URL without a trailing slash of its own making. */
export const httpUrl = z.string().refine((text) => {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hash === ''
}, 'an absolute http or https URL')

/** An address that tokens or keys travel to or from: plain http only where it stays on this machine. */
export const secureUrl = httpUrl.refine(isSecureUrl, 'https, or http on localhost')

/** Scopes as OAuth writes them (RFC 6749 §3.3): one string, separated by spaces. */
export const scopeText = z
  .string()
  .regex(
    /^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$/,
    'scopes separated by single spaces',
  )

export const scopeToken = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]+$/, 'one scope (RFC 6749 §3.3)')

/** Addresses, or blocks in CIDR notation. */
export const addressBlocks = z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))

export const listenSchema = {
  /** The address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free port. */
  port: z.int().min(0).max(65_535),
}
