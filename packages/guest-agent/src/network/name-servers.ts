import { pause, type Log } from '@hearth/contract';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { describeError } from '../log.ts';

export interface NameServerOptions {
  /** Where systemd-networkd keeps what the lease brought. */
  stateFile?: string;
  /** Where /etc/resolv.conf points. */
  resolvConf?: string;
  log: Log;
  signal: AbortSignal;
  lookMs?: number;
}

const LOOK_MS = 50;
/** It is there within milliseconds; a network without name servers is possible. */
const LOOKS = 100;

/**
 * Writes resolv.conf from the DHCP lease, once for each address. systemd-resolved would be a second cache beside the host's dnsmasq, and
 * another service to start. Never rejects: a VM without name servers is reachable all the same.
 */
export async function adoptNameServers({
  stateFile = '/run/systemd/netif/state',
  resolvConf = '/run/hearth-resolv.conf',
  log,
  signal,
  lookMs = LOOK_MS,
}: NameServerOptions): Promise<void> {
  try {
    for (let looks = 0; looks < LOOKS; looks++) {
      const text = resolvConfOf(await readFile(stateFile, 'utf8').catch(unlessMissing));
      if (text !== null) {
        await writeFile(`${resolvConf}.new`, text);
        await rename(`${resolvConf}.new`, resolvConf);
        return;
      }
      await pause(lookMs, signal);
    }
    log('the lease brought no name servers');
  } catch (error) {
    if (!signal.aborted) log('name servers could not be adopted', { error: describeError(error) });
  }
}

function unlessMissing(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
  throw error;
}

/** null where networkd's state names no server. */
export function resolvConfOf(state: string): string | null {
  const values = (key: string): string[] => {
    const line = state.split('\n').find((one) => one.startsWith(`${key}=`));
    return (
      line
        ?.slice(key.length + 1)
        .split(/\s+/)
        .filter(Boolean) ?? []
    );
  };
  const servers = values('DNS').map((server) => `nameserver ${server}\n`);
  const domains = values('DOMAINS');
  if (servers.length === 0) return null;
  return servers.join('') + (domains.length === 0 ? '' : `search ${domains.join(' ')}\n`);
}
