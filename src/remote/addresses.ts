/**
 * What kind of place an IP address is: out in the world, in the own network, or one that no step has any business with.
 *
 * Invariants
 * - An address that wraps another one (mapped, NAT64, 6to4, Teredo) is never taken for what it wraps: it is refused as it is.
 * - What cannot be read is refused.
 */
import { BlockList, isIP } from 'node:net'

export type Kind =
  | 'public'
  /** Loopback and private networks: a step may go there if somebody said so. */
  | 'private'
  /** Link-local, metadata services, multicast, reserved: never by accident. */
  | 'forbidden'

type Family = 'ipv4' | 'ipv6'

/** Of one family: Node compares a list that has both with what an address wraps. */
function ranges(family: Family, list: string): BlockList {
  const found = new BlockList()
  for (const range of list.split(' ')) {
    const [address = '', bits] = range.split('/')
    found.addSubnet(address, Number(bits), family)
  }
  return found
}

interface Ranges {
  /** Metadata services of Alibaba, Azure, Oracle, AWS and Google: some lie within private ranges. */
  readonly metadata: BlockList
  readonly local: BlockList
  readonly odd: BlockList
}

const families: Readonly<Record<Family, Ranges>> = {
  ipv4: {
    metadata: ranges('ipv4', '100.100.100.200/32 168.63.129.16/32 192.0.0.192/32'),
    local: ranges('ipv4', '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8'),
    odd: ranges(
      'ipv4',
      '0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3',
    ),
  },
  ipv6: {
    metadata: ranges('ipv6', 'fd00:ec2::/32 fd20:ce::/32'),
    local: ranges('ipv6', '::1/128 fc00::/7'),
    // Nothing outside of 2000::/3 is out in the world; within it, what wraps an IPv4 address, and what is for documentation.
    odd: ranges('ipv6', '::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20'),
  },
}

export function kindOf(address: string): Kind {
  const version = isIP(address)
  // A zone (`fe80::1%eth0`) is link-local.
  if (version === 0 || address.includes('%')) return 'forbidden'
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const { metadata, local, odd } = families[family]
  if (metadata.check(address, family)) return 'forbidden'
  if (local.check(address, family)) return 'private'
  return odd.check(address, family) ? 'forbidden' : 'public'
}
