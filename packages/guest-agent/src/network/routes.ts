/** One route of the main table, as /proc/net/route has it. */
export interface Route {
  /** `*` where it leads nowhere. */
  interface: string;
  destination: string;
  prefixLength: number;
  /** null where its destination is on the link. */
  gateway: string | null;
  metric: number;
  /** RTF_REJECT: what goes there is refused. */
  rejects: boolean;
}

const RTF_REJECT = 0x200;
const NOWHERE = '0.0.0.0';

/** Reads /proc/net/route: addresses and flags are hexadecimal, addresses in host byte order. What can't be read is left out. */
export function parseRoutes(text: string): Route[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name = '', destination, gateway, flags, , , metric, mask] = line.trim().split(/\s+/);
      const to = parseAddress(destination);
      const via = parseAddress(gateway);
      const bits = parseAddress(mask);
      if (name === '' || to === null || via === null || bits === null) return [];
      return {
        interface: name,
        destination: to,
        prefixLength: bits
          .split('.')
          .reduce((sum, byte) => sum + Number(byte).toString(2).replaceAll('0', '').length, 0),
        gateway: via === NOWHERE ? null : via,
        metric: /^\d{1,10}$/.test(metric ?? '') ? Number(metric) : 0,
        rejects: (Number.parseInt(flags ?? '', 16) & RTF_REJECT) !== 0,
      };
    });
}

function parseAddress(hex: string | undefined): string | null {
  return hex !== undefined && /^[0-9A-F]{8}$/i.test(hex)
    ? Buffer.from(hex, 'hex').toReversed().join('.')
    : null;
}

/** In the words of `ip route`, as far as /proc/net/route tells: without protocol and scope. */
export function routeText({
  interface: name,
  destination,
  prefixLength,
  gateway,
  metric,
  rejects,
}: Route): string {
  const net = prefixLength === 32 ? destination : `${destination}/${prefixLength}`;
  return [
    ...(rejects ? ['unreachable'] : []),
    prefixLength === 0 && destination === NOWHERE ? 'default' : net,
    ...(gateway === null ? [] : ['via', gateway]),
    ...(rejects ? [] : ['dev', name]),
    ...(metric === 0 ? [] : ['metric', String(metric)]),
  ].join(' ');
}
