import type { BridgeConfig } from './bridge-config.ts'
import type { KeyPath } from './document.ts'
import { type FrontendSettings, frontendsOf } from './frontends.ts'
import { broken, holds, type Judge, patchOf, unknown } from './judge.ts'
import type { LinkResult } from './link.ts'
import { isLocalForBrowsers } from './local-hosts.ts'

/**
 * Whether the session cookie, once set, comes back. Browsers say nothing when they drop one: the
 * user signs in again and again, and no log tells why.
 */
export const judgeCookie: Judge = (config, { route }) => {
  if (route.auth !== 'session') return unknown('cookie', 'this route needs no session cookie')
  const results = frontendsOf(config.settings).map((frontend) => judgeOne(config, frontend))
  const evidence = results.flatMap((result) => (result.state === 'holds' ? [result.evidence] : []))
  return results.find(({ state }) => state === 'broken') ?? holds('cookie', evidence.join('; '))
}

function judgeOne(config: BridgeConfig, { publicUrl, cookies, at }: FrontendSettings): LinkResult {
  const link = 'cookie'
  const { protocol, hostname, origin } = publicUrl
  // A Secure cookie that was set over plain http is dropped, except on the machine itself.
  if (protocol === 'http:' && !isLocalForBrowsers(hostname)) {
    const key = at.publicUrl.join('.')
    return broken(config, link, 'cookie_insecure', ['settings', at.publicUrl], {
      found: `${key} "${origin}", plain http on a host that is not localhost`,
      expected: 'https: browsers drop the Secure session cookie over plain http',
      mend: `serve the BFF over https, and set ${key} to that address`,
      patch: securePatch(config, at.publicUrl),
    })
  }
  const domain = cookies.cookie_domain?.replace(/^\./, '').toLowerCase()
  if (domain === undefined) return holds(link, `the cookie belongs to ${hostname} alone`)
  const reason = refusedDomain(domain, hostname)
  if (reason === undefined)
    return holds(link, `the cookie goes to ${hostname} and all of ${domain}`)
  const path = [...at.cookies, 'cookie_domain']
  return broken(config, link, 'cookie_domain_foreign', ['settings', path], {
    found: `${path.join('.')} "${cookies.cookie_domain}", ${reason}`,
    expected: `${hostname}, or a domain above it (RFC 6265 §5.3)`,
    mend: `delete ${path.join('.')}: the cookie then belongs to ${hostname} alone`,
    patch: patchOf(config, 'settings', [{ op: 'remove', path }]),
  })
}

/** Why a browser at `host` drops a cookie with this Domain. */
function refusedDomain(domain: string, host: string): string | undefined {
  if (domain === host && !isAddress(host)) return undefined
  if (isAddress(host)) return `which no browser takes at the address ${host}`
  if (!host.endsWith(`.${domain}`)) return `which does not cover ${host}`
  // `com` would hand the session to every site below it: browsers refuse public suffixes.
  return domain.includes('.') ? undefined : 'which is a public suffix'
}

const isAddress = (host: string) => host.startsWith('[') || /^[0-9]+(\.[0-9]+){3}$/.test(host)

/** Only a plain text can be changed here: a template's value comes from elsewhere. */
function securePatch(config: BridgeConfig, path: KeyPath) {
  const text = config.textOf('settings', path)
  if (text === undefined || !text.startsWith('http://') || text.includes('${')) return undefined
  return patchOf(config, 'settings', [
    { op: 'set', path, value: text.replace('http://', 'https://') },
  ])
}
