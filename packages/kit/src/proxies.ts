import { BlockList, isIP, isIPv6 } from 'node:net'

/** Whether an address is one of `entries`: addresses, or blocks in CIDR notation. */
export function trustedProxies(entries: readonly string[]): (address: string) => boolean {
  if (entries.length === 0) return () => false
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/**
 * Who sent a request: the peer, or whom trusted proxies, the last one first, name in
 * `X-Forwarded-For`. The attack: a sender writes the header himself. What stands to the left of the
 * first address that is not trusted is his own word.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let address = plain(peer)
  const named = (forwardedFor ?? '').split(',').map((item) => plain(item.trim()))
  while (isTrusted(address)) {
    const before = named.pop()
    if (before === undefined || isIP(before) === 0) break
    address = before
  }
  return address
}

/** Without the prefix that a listener for both families puts before an IPv4 address. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, '')
