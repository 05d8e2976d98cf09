import assert from 'node:assert/strict'
import { decodeJwt, type JWTPayload } from 'jose'
import * as oidc from 'openid-client'
import { Browser, type Page } from './browser.ts'
import { AFTER_LOGOUT, ANALYTICS, CALLBACK, PASSWORD, SECRET, type TestIdp } from './start-idp.ts'

export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const LOGIN_SCOPE = 'openid profile email application.all offline_access'

export async function discover(
  { issuer }: Pick<TestIdp, 'issuer'>,
  clientId = 'bff-server',
  auth: oidc.ClientAuth = oidc.ClientSecretBasic(SECRET),
): Promise<oidc.Configuration> {
  return oidc.discovery(new URL(issuer), clientId, undefined, auth, {
    execute: [oidc.allowInsecureRequests],
  })
}

export interface LoginOptions {
  scope?: string
  resource?: string[]
  prompt?: string
  username?: string
  password?: string
  browser?: Browser
  tokenParams?: Record<string, string>
  /** Proves this key with the code; `dpop_jkt` says so in advance, unless `jkt` is another. */
  dpop?: oidc.DPoPHandle
  jkt?: string
}

export interface Login {
  tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers
  browser: Browser
  /** The pages on the way: none when the session answered. */
  asked: boolean
}

export interface Started {
  page: Page
  browser: Browser
  finish(callback: string): ReturnType<typeof oidc.authorizationCodeGrant>
}

/** PAR, then the browser's way up to the first page or to the callback. */
export async function beginLogin(
  config: oidc.Configuration,
  options: LoginOptions = {},
): Promise<Started> {
  const browser = options.browser ?? new Browser()
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  const params = new URLSearchParams({
    redirect_uri: CALLBACK,
    scope: options.scope ?? LOGIN_SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...(options.prompt === undefined ? {} : { prompt: options.prompt }),
  })
  if (options.jkt !== undefined) params.set('dpop_jkt', options.jkt)
  for (const resource of options.resource ?? []) params.append('resource', resource)
  const url = await oidc.buildAuthorizationUrlWithPAR(config, params)
  return {
    browser,
    page: await browser.follow(url.href, CALLBACK),
    finish: (callback) =>
      oidc.authorizationCodeGrant(
        config,
        new URL(callback),
        { pkceCodeVerifier, expectedState: state, expectedNonce: nonce },
        options.tokenParams,
        options.dpop === undefined ? {} : { DPoP: options.dpop },
      ),
  }
}

/** A whole login: PAR, password page unless the session answers, callback, code. */
export async function login(
  config: oidc.Configuration,
  options: LoginOptions = {},
): Promise<Login> {
  const { browser, page, finish } = await beginLogin(config, options)
  let callback = page.location
  const asked = callback === undefined
  if (asked) {
    const next = await browser.submit(page, {
      username: options.username ?? 'alice',
      password: options.password ?? PASSWORD,
    })
    assert.ok(next.location, `the password was refused: ${next.status} ${next.html}`)
    callback = (await browser.follow(next.location, CALLBACK)).location
  }
  assert.ok(callback, 'the login did not come back to the client')
  return { tokens: await finish(callback), browser, asked }
}

/** A token request as it goes over the wire, for what a well-behaved client would never send. */
export async function tokenRequest(
  { issuer }: TestIdp,
  params: Record<string, string | string[]>,
  {
    clientId = 'bff-server',
    path = '/token',
    headers = {},
  }: { clientId?: string; path?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const body = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) body.append(name, item)
  }
  const response = await fetch(`${issuer}${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Basic ${btoa(`${clientId}:${SECRET}`)}`, ...headers },
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

export function exchange(
  idp: TestIdp,
  subjectToken: string,
  params: Record<string, string | string[]> = { audience: ANALYTICS },
  clientId = 'bff-server',
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  return tokenRequest(
    idp,
    {
      grant_type: EXCHANGE,
      subject_token: subjectToken,
      subject_token_type: ACCESS_TOKEN_TYPE,
      ...params,
    },
    { clientId, headers },
  )
}

export function claimsOf(token: unknown): JWTPayload {
  assert.equal(typeof token, 'string', 'no token')
  return decodeJwt(String(token))
}

export function logoutUrl(config: oidc.Configuration, idToken: string | undefined): URL {
  return oidc.buildEndSessionUrl(config, {
    post_logout_redirect_uri: AFTER_LOGOUT,
    ...(idToken === undefined ? {} : { id_token_hint: idToken }),
  })
}
