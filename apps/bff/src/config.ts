import { createHash, timingSafeEqual } from 'node:crypto'
import type { BffEdgeSettings } from '@audience-bridge/chain/bff-edge.ts'
import type { BffTelemetrySettings } from '@audience-bridge/chain/bff-telemetry.ts'
import {
  type BridgeConfig,
  type BridgeSources,
  readBridgeConfig,
} from '@audience-bridge/chain/bridge-config.ts'
import { type Chain, judgeChain } from '@audience-bridge/chain/chain.ts'
import type { Fault } from '@audience-bridge/chain/fault.ts'
import { requirementOf, type TokenRequirement } from '@audience-bridge/chain/requirement.ts'
import type { Environment } from '@audience-bridge/chain/variables.ts'
import { wideScopes, wideScopeText } from '@audience-bridge/chain/wide-scopes.ts'
import { trustedProxies } from '@audience-bridge/kit/proxies.ts'
import { type FrontTls, readFrontTls } from './front-tls.ts'
import { type Frontends, readFrontends } from './frontends.ts'
import { type BearerSource, readBearerSources, readIdps } from './idps.ts'
import { type RateRule, readRates, readSignInRate, type ServiceRates } from './rates.ts'
import { type Reach, readReaches } from './reach.ts'
import type { BindingRules } from './session/binding.ts'
import type { SessionLimits } from './session/sessions.ts'
import type { TelemetryRules } from './telemetry/telemetry.ts'
import type { IdpSettings } from './tokens/idp-link.ts'

/** One version of the configuration with all that is computed from it once. Immutable. */
export interface BffConfig {
  /** Short hash of the files; stamped on every token. */
  version: string
  bridge: BridgeConfig
  /** By route id. */
  chains: ReadonlyMap<string, Chain>
  /** By service; absent: no token can be had for it. */
  requirements: ReadonlyMap<string, TokenRequirement>
  /** Base URLs of the services. */
  bases: ReadonlyMap<string, URL>
  /** How connections to their backends are made; asked with `reachTo`. */
  reaches: ReadonlyMap<string, Reach>
  /** Undefined: the BFF listens by http. */
  tls: FrontTls | undefined
  frontends: Frontends
  limits: SessionLimits
  /** From where a session may be used. */
  binding: BindingRules
  /** How often each service may be called; services without a limit are not among them. */
  rates: ReadonlyMap<string, ServiceRates>
  signInRate: RateRule | undefined
  /** Undefined: no request is recorded. */
  telemetry: TelemetryRules | undefined
  isTrustedProxy(address: string): boolean
  /** Whether a proxy knows `edge.secret`; never, where tokens are not handed out. */
  isEdgeSecret(text: string): boolean
  /** Services whose tokens are minted right after the login. */
  eagerServices: readonly string[]
  /** Not faults, and yet to be known: scopes that open more than one backend. */
  warnings: readonly string[]
  /** The IdP of `auth`: of the first frontend, and of the BFF's own tokens. */
  idp: IdpSettings
  /** Every IdP where users sign in, `idp` first. */
  idps: readonly IdpSettings[]
  /** Whose tokens are admitted on `auth: bearer` routes. */
  bearerSources: readonly BearerSource[]
  secrets: BffSecrets
}

/** Never logged, never told. */
export interface BffSecrets {
  /** Undefined: no administrator's token. */
  adminTokenHash: Buffer | undefined
}

export const hashToken = (token: string) => createHash('sha256').update(token).digest()

function edgeSecretHashOf(
  edge: BffEdgeSettings | undefined,
  readSecret: (value: string) => string,
): Buffer | undefined {
  if (!edge?.tokens || edge.secret === undefined) return undefined
  const secret = readSecret(edge.secret)
  // Short ones can be guessed; a space is where `X-Edge-Secret` goes on with the method.
  if (/^[\x21-\x7e]{32,}$/.test(secret)) return hashToken(secret)
  throw new Error('edge.secret: at least 32 visible ASCII characters without a space are needed')
}

/** At most this many tokens are minted ahead of their first use. */
const MAX_EAGER = 8

/**
 * As `readBridgeConfig`: `config` is undefined exactly when the BFF's own files have a fault.
 *
 * @param readSecret gives the secret behind a value (`file:PATH`, or itself); what it throws is thrown.
 */
export function readBffConfig(
  sources: BridgeSources,
  env: Environment,
  readSecret: (value: string) => string,
): { config: BffConfig | undefined; faults: Fault[] } {
  const { config: bridge, faults } = readBridgeConfig(sources, env)
  if (bridge === undefined) return { config: undefined, faults }
  const { settings, routes } = bridge
  const { idp, further } = readIdps(bridge, readSecret)
  const adminTokenHash = settings.admin && hashToken(readSecret(settings.admin.token))
  const edgeSecretHash = edgeSecretHashOf(settings.edge, readSecret)
  const telemetry = readTelemetry(settings.telemetry, readSecret)
  const { reaches, faults: unusable } = readReaches(bridge, readSecret)
  const { tls, faults: unfit } = readFrontTls(bridge, readSecret)
  if (unusable.length + unfit.length > 0) {
    return { config: undefined, faults: [...faults, ...unusable, ...unfit] }
  }
  const version = createHash('sha256')
    .update(JSON.stringify([settings, routes, bridge.idps, bridge.idp ?? null]))
    .update(hashToken(JSON.stringify([idp, ...further])))
    .update(adminTokenHash ?? '')
    .update(edgeSecretHash ?? '')
    .update(hashToken(JSON.stringify(telemetry ?? null)))
    .update(JSON.stringify([...reaches.values()].map(({ id }) => id)))
    .update(tls?.id ?? '')
    .digest('hex')
    .slice(0, 12)

  const requirements = new Map<string, TokenRequirement>()
  for (const service of new Set(routes.routes.map((route) => route.target_service))) {
    const requirement = requirementOf(settings, service)
    if (requirement !== undefined) requirements.set(service, requirement)
  }
  const isTrustedProxy = trustedProxies(settings.server.trusted_proxies)
  return {
    config: {
      version,
      bridge,
      chains: new Map(bridge.compiled.map((route) => [route.route.id, judgeChain(bridge, route)])),
      requirements,
      bases: new Map(
        Object.entries(routes.services).map(([name, { base_url }]) => [name, new URL(base_url)]),
      ),
      reaches,
      tls,
      frontends: readFrontends(bridge),
      limits: {
        idleSeconds: settings.session.idle_seconds,
        absoluteSeconds: settings.session.absolute_seconds,
      },
      binding: bindingRules(settings.session.binding, isTrustedProxy),
      telemetry,
      rates: readRates(bridge),
      signInRate: readSignInRate(bridge),
      isTrustedProxy,
      isEdgeSecret: (text) =>
        edgeSecretHash !== undefined && timingSafeEqual(hashToken(text), edgeSecretHash),
      eagerServices: eagerServices(bridge, requirements),
      warnings: wideScopes(bridge).map(wideScopeText),
      idp,
      idps: [idp, ...further],
      bearerSources: readBearerSources(bridge),
      secrets: { adminTokenHash },
    },
    faults,
  }
}

/** The configured services, or all that a session route bridges to; at most eight. */
function eagerServices(
  { settings, routes }: BridgeConfig,
  requirements: ReadonlyMap<string, TokenRequirement>,
): string[] {
  const bridged = routes.routes.filter((route) => route.auth === 'session')
  const wanted = settings.auth.eager_services ?? bridged.map((route) => route.target_service)
  return [...new Set(wanted)].filter((service) => requirements.has(service)).slice(0, MAX_EAGER)
}

function readTelemetry(
  settings: BffTelemetrySettings | undefined,
  readSecret: (value: string) => string,
): TelemetryRules | undefined {
  if (!settings?.enabled) return undefined
  const url = new URL(settings.endpoint)
  if (url.pathname === '/') url.pathname = '/v1/traces'
  const headers = Object.entries(settings.headers).map(([name, value]) => {
    const text = readSecret(value)
    if (/^[\x20-\x7e]+$/.test(text)) return [name, text]
    throw new Error(`telemetry.headers.${name}: only visible ASCII characters and spaces`)
  })
  return {
    ...{ ratio: settings.sampling, followCallers: settings.follow_callers },
    ...{ url: url.href, headers: Object.fromEntries(headers) },
  }
}

const bindingRules = (
  { user_agent, network, ipv4_bits, ipv6_bits }: BridgeConfig['settings']['session']['binding'],
  isTrustedProxy: BindingRules['isTrustedProxy'],
): BindingRules => ({
  ...{ agent: user_agent, network, isTrustedProxy },
  ...{ ipv4Bits: ipv4_bits, ipv6Bits: ipv6_bits },
})
