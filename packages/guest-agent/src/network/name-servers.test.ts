import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { adoptNameServers, resolvConfOf } from './name-servers.ts';

it('takes servers and domains from networkd’s state', () => {
  expect(resolvConfOf('OPER_STATE=routable\nDNS=192.168.100.1 10.0.0.1\nDOMAINS=a.test b.test\n')).toBe(
    'nameserver 192.168.100.1\nnameserver 10.0.0.1\nsearch a.test b.test\n',
  );
  expect(resolvConfOf('DNS=192.168.100.1\n')).toBe('nameserver 192.168.100.1\n');
  expect(resolvConfOf('OPER_STATE=off\nDNS=\nXDNS=1.2.3.4\n')).toBeNull();
});

it('waits until the lease has brought them, and puts them over those of an earlier network', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-resolv-'));
  const stateFile = join(folder, 'state');
  const resolvConf = join(folder, 'resolv.conf');
  const log: string[] = [];
  const options = { stateFile, resolvConf, log: (text: string) => void log.push(text), lookMs: 2 };
  try {
    await writeFile(resolvConf, 'nameserver 9.9.9.9\n');
    await writeFile(stateFile, 'OPER_STATE=carrier\n');
    const adopted = adoptNameServers({ ...options, signal: AbortSignal.timeout(5000) });
    await writeFile(stateFile, 'DNS=192.168.100.1\n');
    await adopted;
    expect(await readFile(resolvConf, 'utf8')).toBe('nameserver 192.168.100.1\n');
    expect(await readdir(folder)).toEqual(['resolv.conf', 'state']);
    // Without any it gives up and says so; an end of the agent is no fault.
    await writeFile(stateFile, '');
    await adoptNameServers({ ...options, signal: AbortSignal.timeout(5000) });
    await adoptNameServers({ ...options, signal: AbortSignal.abort() });
    expect(log).toEqual(['the lease brought no name servers']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
