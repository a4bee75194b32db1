/** A line of dnsmasq's lease file. */
export interface Lease {
  /** Seconds since the epoch; 0 never. */
  expiresAtSeconds: number;
  mac: string;
  ip: string;
  /** `*` where the guest sent none and none is booked. */
  hostname: string;
  /** `*` where it sent none or we ignore it. */
  clientId: string;
}

/** Reads the lease file; lines that are no DHCPv4 lease are left out. */
export function parseLeases(text: string): Lease[] {
  return text.split('\n').flatMap((line) => {
    const [expires, mac, ip, hostname = '*', clientId = '*'] = line.split(' ');
    if (expires === undefined || mac === undefined || ip === undefined) return [];
    if (!/^\d+$/.test(expires) || !/^\d+(\.\d+){3}$/.test(ip)) return [];
    return [{ expiresAtSeconds: Number(expires), mac: mac.toLowerCase(), ip, hostname, clientId }];
  });
}

/** The leases that agree with the book, as file content: all others would keep dnsmasq from giving a booked address. */
export function keepBooked(text: string, booked: readonly { mac: string; ip: string }[]): string {
  const wanted = new Set(booked.map(({ mac, ip }) => `${mac} ${ip}`));
  return parseLeases(text)
    .filter(({ mac, ip }) => wanted.has(`${mac} ${ip}`))
    .map(
      ({ expiresAtSeconds, mac, ip, hostname, clientId }) =>
        `${expiresAtSeconds} ${mac} ${ip} ${hostname} ${clientId}\n`,
    )
    .join('');
}

/** A guest got an address. */
export interface LeaseEvent {
  mac: string;
  ip: string;
  /** Epoch milliseconds at which we read dnsmasq's word of it. */
  atMs: number;
}

/** `dnsmasq-dhcp: DHCPACK(hearth0) 192.168.100.2 02:48:c0:a8:64:02 vm-…` */
export function parseAck(line: string): { mac: string; ip: string } | undefined {
  const match = /\bDHCPACK\(\S+\) (\d+\.\d+\.\d+\.\d+) ([0-9a-f:]{17})/i.exec(line);
  const [, ip, mac] = match ?? [];
  return ip === undefined || mac === undefined ? undefined : { ip, mac: mac.toLowerCase() };
}
