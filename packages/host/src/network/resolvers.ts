import type { Config, Log } from '@hearth/contract';
import { readOptionalFile } from './optional-file.ts';

/** Where dnsmasq sends what it doesn't know. */
export type Upstream =
  | { type: 'none'; reason: string }
  | { type: 'servers'; servers: string[] }
  /** A file that dnsmasq watches, so that a change of the host's DNS reaches the VMs. */
  | { type: 'file'; path: string; servers: string[] };

function parseResolvConf(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [word, server] = line.trim().split(/\s+/);
    return word === 'nameserver' && server !== undefined && /^\d+(\.\d+){3}$/.test(server) ? [server] : [];
  });
}

const isLoopback = (server: string): boolean => server.startsWith('127.');

/** The second holds the real servers where the first names systemd-resolved's stub, which lives in the host's loopback. */
const RESOLV_FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** Finds the DNS servers for the VMs: those configured, else the host's own. */
export async function findUpstream(
  network: Config['network'],
  log: Log,
  files: readonly string[] = RESOLV_FILES,
): Promise<Upstream> {
  if (network.uplink !== 'nat')
    return { type: 'none', reason: `network.uplink is ${network.uplink}: VMs reach nothing outside` };
  if (network.dnsServers.length > 0) return { type: 'servers', servers: network.dnsServers };
  for (const path of files) {
    const servers = parseResolvConf(await readOptionalFile(path));
    if (servers.length > 0 && !servers.some(isLoopback)) return { type: 'file', path, servers };
    const reachable = servers.filter((server) => !isLoopback(server));
    if (reachable.length > 0) return { type: 'servers', servers: reachable };
  }
  const reason = `no DNS server that VMs could reach is in ${files.join(' or ')}; set network.dnsServers`;
  log(reason);
  return { type: 'none', reason };
}
