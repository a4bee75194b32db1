import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from '../exec/run.ts';
import { namespaceExists, prepareNamespace, removeNamespace } from './namespace.ts';
import { openLab, progress, startIn, type Lab } from './network-lab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

/** All that could be left behind in the machine. */
async function machineState(): Promise<string> {
  const parts = [
    ['ip', '-j', 'addr'],
    ['ip', '-j', 'route', 'show', 'table', 'all'],
    ['ip', '-j', 'rule'],
    ['nft', '-j', 'list', 'ruleset'],
  ] as const;
  const texts: string[] = [];
  for (const [command, ...args] of parts) texts.push((await lab.machine(command, args)).stdout);
  return texts.join('\n');
}

test('preparing twice changes nothing, and removing leaves no interface, route or table', async () => {
  const before = await machineState();
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  await prepareNamespace(config, lab.machine, progress());
  const made = await machineState();
  expect(made).toContain('10.77.0.0/24');
  expect(await namespaceExists(config.name)).toBe(true);
  await prepareNamespace(config, lab.machine, progress());
  // The table is replaced, and so has other handles.
  const withoutHandles = (text: string): string => text.replace(/"handle": ?\d+/g, '');
  expect(withoutHandles(await machineState())).toBe(withoutHandles(made));

  const { steps, remainingPids } = await removeNamespace(config, lab.machine, progress());
  expect(steps.join('\n')).toMatch(
    /uplink .* removed[\s\S]*firewall table .* removed[\s\S]*namespace .* removed/,
  );
  expect(remainingPids).toEqual([]);
  expect(await machineState()).toBe(before);
  expect(await namespaceExists(config.name)).toBe(false);
  expect((await removeNamespace(config, lab.machine, progress())).steps).toEqual([]);
});

test('half of it is put right, and half of it can be removed', async () => {
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  const before = await machineState();
  await prepareNamespace(config, lab.machine, progress());
  await lab.machine('ip', ['link', 'del', `${config.name}-up`]);
  await prepareNamespace(config, lab.machine, progress());
  expect((await lab.machine('ip', ['route'])).stdout).toContain(
    `10.77.0.0/24 via 10.78.0.2 dev ${config.name}-up`,
  );
  await run('ip', ['netns', 'del', config.name]);
  await removeNamespace(config, lab.machine, progress());
  expect(await machineState()).toBe(before);
});

test('another configuration replaces the former one', async () => {
  const first = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  await prepareNamespace(first, lab.machine, progress());
  const second = lab.config('a', { subnet: '10.79.0.0/24', transitSubnet: '10.80.0.0/30', uplink: 'host' });
  await prepareNamespace(second, lab.machine, progress());
  const state = await machineState();
  expect(state).not.toMatch(/10\.7[78]\./);
  expect(state).not.toContain('masquerade');
  const third = lab.config('a', { subnet: '10.79.0.0/24', transitSubnet: '10.80.0.0/30', uplink: 'none' });
  await prepareNamespace(third, lab.machine, progress());
  expect(await machineState()).not.toMatch(/10\.79\.|-up/);
});

test('F5: a subnet that overlaps a route of the host is refused, and nothing is made', async () => {
  await lab.machine('ip', ['link', 'add', 'lan0', 'type', 'bridge']);
  await lab.machine('ip', ['addr', 'add', '10.0.0.1/24', 'dev', 'lan0']);
  await lab.machine('ip', ['link', 'set', 'lan0', 'up']);
  await lab.machine('ip', ['route', 'add', '10.70.0.0/15', 'via', '10.0.0.2', 'table', '99']);
  const config = lab.config('a', { subnet: '10.71.5.0/24', transitSubnet: '10.78.0.0/30' });
  await expect(prepareNamespace(config, lab.machine, progress())).rejects.toMatchObject({
    code: 'network_conflict',
    detail:
      'network.subnet: 10.71.5.0/24 overlaps the route 10.70.0.0/15 via 10.0.0.2 dev lan0 (table 99) of this machine',
  });
  expect(await namespaceExists(config.name)).toBe(false);
});

test('a second Hearth with the same subnet is refused, with another one it stands beside the first', async () => {
  const first = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  await prepareNamespace(first, lab.machine, progress());
  const same = lab.config('b', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.4/30' });
  await expect(prepareNamespace(same, lab.machine, progress())).rejects.toThrow(
    new RegExp(`${first.name}-up`),
  );
  const other = lab.config('b', { subnet: '10.77.1.0/24', transitSubnet: '10.78.0.4/30' });
  await prepareNamespace(other, lab.machine, progress());
  await removeNamespace(other, lab.machine, progress());
  expect((await lab.machine('ip', ['route'])).stdout).toContain('10.77.0.0/24');
});

test('a namespace of somebody else is neither taken nor removed', async () => {
  const foreign = await lab.namespace('f');
  await run('ip', ['-n', foreign, 'link', 'add', 'theirs', 'type', 'bridge']);
  const config = { ...lab.config('x', { uplink: 'none' }), name: foreign };
  await expect(prepareNamespace(config, lab.machine, progress())).rejects.toMatchObject({
    code: 'network_conflict',
  });
  await expect(removeNamespace(config, lab.machine, progress())).rejects.toMatchObject({
    code: 'network_conflict',
  });
  expect((await run('ip', ['-n', foreign, 'link'])).stdout).toContain('theirs');
});

test('what still runs inside is reported, and loses its network', async () => {
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  await prepareNamespace(config, lab.machine, progress());
  const child = startIn(config.name)('sleep', ['60'], () => undefined);
  lab.background(child);
  await vi.waitFor(async () =>
    expect((await run('ip', ['netns', 'pids', config.name])).stdout).toBe(String(child.pid)),
  );
  const { remainingPids } = await removeNamespace(config, lab.machine, progress());
  expect(remainingPids).toEqual([child.pid]);
  expect((await lab.machine('ip', ['link'])).stdout).not.toContain('-up');
});

test('a firewall of the machine that would drop the packets of VMs is named', async () => {
  await lab.machine('nft', [
    'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }',
  ]);
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' });
  expect((await prepareNamespace(config, lab.machine, progress())).join('\n')).toMatch(
    /chain ip filter FORWARD .* drops/,
  );
});
