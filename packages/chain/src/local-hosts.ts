/** Host names on which plain http stays on the machine. */
export const LOCAL_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether what is sent to this address can be read only there: https, or http on this machine. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || LOCAL_HOSTS.has(url.hostname))
}

/** As browsers have it: they resolve every name below `localhost` to the machine itself (RFC 6761 §6.3). */
export const isLocalForBrowsers = (hostname: string) =>
  LOCAL_HOSTS.has(hostname) || hostname.endsWith('.localhost')
