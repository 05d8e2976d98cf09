import type { ClaimsMapping } from '@audience-bridge/chain/bff-idps.ts'
import * as oidc from 'openid-client'
import { answerFrom, CannotSign, type IdpAnswer, type IdpAway, reasonOf } from './idp-answer.ts'
import {
  type ClientCredentials,
  clientAuthentication,
  type SigningRings,
  signerOf,
} from './idp-auth.ts'
import { createIdpFetch, type IdpFetch, type IdpObserver, type TlsIdentity } from './idp-fetch.ts'
import type { SigningKey } from './key-ring.ts'

export type IdpSettings = ClientCredentials & {
  issuer: string
  clientId: string
  /** For the connection (RFC 8705). */
  tls: TlsIdentity | undefined
  /** The login's own tokens are bound to our key (RFC 9449). */
  dpop: boolean
  timeoutSeconds: number
  clockToleranceSeconds: number
  /** Which claims are roles; undefined: the claim `roles`, as our own IdP has it. */
  claims: ClaimsMapping | undefined
  /** In the names of its users; undefined: their `sub` alone. */
  provider: string | undefined
}

/** A probe answers sooner than a call may take, in seconds, and is shared for a while. */
const PROBE_SECONDS = 2
const PROBE_KEPT_MS = 1000

/** What binds a token to a key of ours. */
export type Dpop = { DPoP: oidc.DPoPHandle } | undefined

/**
 * The way to one IdP: where it is, how we prove ourselves, whether it answers. Discovery is lazy and
 * repeated until it succeeds, so that the BFF starts and serves without an IdP.
 */
export class IdpLink {
  readonly settings: IdpSettings
  readonly rings: SigningRings
  readonly #fetch: IdpFetch
  readonly #retired: boolean
  readonly #handles = new Map<string, oidc.DPoPHandle>()
  #configuration: Promise<oidc.Configuration> | undefined
  #probe: { at: number; answer: Promise<IdpAnswer<void>> } | undefined

  /** @param retired the configuration has it no longer: it is never asked, and what is its own is kept. */
  constructor(settings: IdpSettings, rings: SigningRings, observer: IdpObserver, retired = false) {
    this.#retired = retired
    this.settings = settings
    this.rings = rings
    this.#fetch = createIdpFetch(settings.tls, observer)
  }

  /** For reading the IdP's keys: every call goes the one way. */
  get fetch(): typeof fetch {
    return this.#fetch.fetch
  }

  /** Whether it answered when it was last asked. */
  get isUp(): boolean {
    return this.#fetch.isUp
  }

  /**
   * Asks whether it answers now; at most once a second, however many want to know. While it is known to
   * be away an answer of before says nothing, and asking costs nothing but the one probe.
   */
  probe(): Promise<IdpAnswer<void>> {
    const now = performance.now()
    if (this.#probe === undefined || !this.isUp || now - this.#probe.at > PROBE_KEPT_MS) {
      this.#probe = { at: now, answer: this.#askAlive() }
    }
    return this.#probe.answer
  }

  async #askAlive(): Promise<IdpAnswer<void>> {
    const { issuer, timeoutSeconds } = this.settings
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const signal = AbortSignal.timeout(Math.min(PROBE_SECONDS, timeoutSeconds) * 1000)
    try {
      const { status } = await this.fetch(url, { signal, redirect: 'manual' })
      return status === 200
        ? { kind: 'ok', value: undefined }
        : this.#away(`discovery answered ${status}`)
    } catch (cause) {
      return this.#away(reasonOf(cause))
    }
  }

  #discover(): Promise<oidc.Configuration> {
    const { settings } = this
    const issuer = new URL(settings.issuer)
    return oidc
      .discovery(
        issuer,
        settings.clientId,
        {
          [oidc.clockTolerance]: settings.clockToleranceSeconds,
          // RFC 8705 §5: endpoints that ask for the certificate, where there are others that do not.
          use_mtls_endpoint_aliases: settings.tls !== undefined,
        },
        clientAuthentication(settings, this.rings.client),
        {
          timeout: settings.timeoutSeconds,
          [oidc.customFetch]: this.fetch as oidc.CustomFetch,
          // Tokens in the clear are for one's own machine alone; the settings refuse other http issuers.
          execute: issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [],
        },
      )
      .then((configuration) => {
        configuration.timeout = settings.timeoutSeconds
        return configuration
      })
  }

  /** What binds a token to our key of now, if it is to be bound. */
  async dpop(configuration: oidc.Configuration, bound: boolean): Promise<Dpop> {
    return bound ? this.dpopBy(configuration, await signerOf(this.rings.dpop)) : undefined
  }

  /** A handle knows the IdP's last nonce; there is one for each key. */
  dpopBy(configuration: oidc.Configuration, key: SigningKey | undefined): Dpop {
    if (key === undefined) return undefined
    let handle = this.#handles.get(key.kid)
    if (handle === undefined) {
      handle = oidc.getDPoPHandle(configuration, key)
      this.#handles.set(key.kid, handle)
    }
    return { DPoP: handle }
  }

  /** @throws what kept us from signing, which is no answer of the IdP. */
  async ask<T>(question: (configuration: oidc.Configuration) => Promise<T>): Promise<IdpAnswer<T>> {
    // No refusal: `invalid_grant` would end every session of an issuer that was mistyped in a reload.
    if (this.#retired) {
      return {
        kind: 'unavailable',
        reason: `the issuer ${this.settings.issuer} is configured no longer`,
      }
    }
    try {
      this.#configuration ??= this.#discover()
      let configuration: oidc.Configuration
      try {
        configuration = await this.#configuration
      } catch (cause) {
        this.#configuration = undefined
        return this.#away(`discovery failed: ${reasonOf(cause)}`)
      }
      return { kind: 'ok', value: await question(configuration) }
    } catch (cause) {
      if (cause instanceof CannotSign) throw cause.cause
      const answer = answerFrom(cause)
      return answer.kind === 'unavailable' ? this.#away(answer.reason) : answer
    }
  }

  #away(reason: string): IdpAway {
    return { kind: 'unavailable', reason, retryAfterSeconds: this.#fetch.retryAfterSeconds }
  }
}
