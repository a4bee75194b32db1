import type { Config, HostCapacity } from '@hearth/contract';
import type { EncodingPolicy } from '@hearth/rfb';
import { BlockList, isIP } from 'node:net';

const nearby = new BlockList();
for (const [network, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const)
  nearby.addSubnet(network, prefix, 'ipv4');
nearby.addSubnet('fc00::', 7, 'ipv6');
nearby.addSubnet('fe80::', 10, 'ipv6');
nearby.addAddress('::1', 'ipv6');

/** Is this address of this machine or of a private network? */
export function isNearby(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && nearby.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

export type EncodingChooser = (
  viewer: { address: string; proxied: boolean },
  capacity: () => Promise<HostCapacity>,
) => Promise<EncodingPolicy>;

/**
 * What the VNC server is asked to send to a viewer, see config.desktop.encoding. How VMs are run doesn't change while
 * the controller lives, so the host is asked until it knows, and no more then.
 */
export function createEncodingChooser(encoding: Config['desktop']['encoding']): EncodingChooser {
  let accelerator: HostCapacity['accelerator'] = 'unknown';
  return async ({ address, proxied }, capacity) => {
    if (encoding !== 'auto') return encoding === 'raw' ? 'raw-first' : 'viewer';
    // Behind a proxy the address is the proxy's, and says nothing of the way to the viewer.
    if (proxied || !isNearby(address)) return 'viewer';
    if (accelerator === 'unknown') ({ accelerator } = await capacity());
    return accelerator === 'tcg' ? 'raw-first' : 'viewer';
  };
}
