import { parseConfig } from '@hearth/contract';
import { expect, test } from 'vitest';
import { parseAllowed, planNetwork } from './addressing.ts';
import { bridgeTable, hostTable, namespaceTable, pinCommands, unpinCommands } from './firewall.ts';
import type { Command } from './firewall-expressions.ts';

const plan = planNetwork(parseConfig({}, {}));
const pin = { tap: 'tapc0a86402', mac: '02:48:c0:a8:64:02', ip: '192.168.100.2' };
const text = (commands: Command[]): string => JSON.stringify(commands);
const rulesOf = (commands: Command[], chain: string): string[] =>
  commands
    .map((command) => JSON.stringify(command))
    .filter((line) => line.includes(`"chain":"${chain}","expr"`));
const allowed = parseAllowed(['10.0.0.5:8080', '192.168.100.1:9000']);

test('a table replaces itself in one transaction', () => {
  const [first, second, third] = bridgeTable([]);
  expect([first, second, third].map((command) => Object.keys(command ?? {})[0])).toEqual([
    'add',
    'delete',
    'add',
  ]);
});

test('what a TAP sends is dropped unless its interface, MAC and IP are pinned together', () => {
  const commands = bridgeTable([pin]);
  expect(text(commands)).toContain(
    '"name":"ingress","type":"filter","hook":"prerouting","prio":-300,"policy":"drop"',
  );
  expect(text(commands)).toContain(`{"concat":["${pin.tap}","${pin.mac}","${pin.ip}"]}`);
  // Every accepting rule asks a set; an address in a rule itself would hold for all interfaces.
  for (const rule of rulesOf(commands, 'ingress')) expect(rule).toMatch(/@pinned|@stations/);
  expect(rulesOf(commands, 'forward')).toEqual([]);
});

test('pins are added and taken away one by one, and both may be repeated', () => {
  expect(pinCommands(pin).map((command) => Object.keys(command)[0])).toEqual(['add', 'add']);
  expect(unpinCommands(pin).map((command) => Object.keys(command)[0])).toEqual([
    'add',
    'add',
    'delete',
    'delete',
  ]);
});

test('without an uplink nothing is forwarded', () => {
  const rules = rulesOf(namespaceTable({ plan, uplink: 'none', allowed }), 'forward').join('\n');
  expect(rules).not.toContain('oifname');
  expect(rules).not.toContain('{"accept":null}}]}}}\n');
});

test('allowed targets come before the private networks, and those before the internet', () => {
  const rules = rulesOf(namespaceTable({ plan, uplink: 'nat', allowed }), 'forward');
  const at = (word: string): number => rules.findIndex((rule) => rule.includes(word));
  expect(at('@allowed')).toBeGreaterThan(0);
  expect(at('@hidden')).toBe(at('@allowed') + 1);
  expect(rules[at('@hidden')]).toContain('reject');
  expect(rules.at(-1)).toContain('reject');
});

test('only the host itself may dial VMs from outside, and no desktop', () => {
  const rules = rulesOf(namespaceTable({ plan, uplink: 'host', allowed }), 'forward');
  const inward = rules.filter((rule) => rule.includes('"right":"uplink"') && rule.includes('iifname'));
  expect(inward[0]).toMatch(/"right":5900.*"reject"/);
  expect(inward[1]).toContain('"right":"192.168.99.1"');
});

test('an allowed address that is the bridge itself opens a port in the namespace', () => {
  const input = rulesOf(namespaceTable({ plan, uplink: 'none', allowed }), 'input').join('\n');
  expect(input).toContain('9000');
  expect(input).not.toContain('8080');
});

test('without NAT nothing is masqueraded in the host, and nothing forwarded for VMs', () => {
  const host = text(hostTable({ plan, uplink: 'host', allowed: [] }, []));
  expect(host).not.toContain('masquerade');
  expect(rulesOf(hostTable({ plan, uplink: 'host', allowed: [] }, []), 'forward').join('')).toContain(
    'reject',
  );
  expect(text(hostTable({ plan, uplink: 'nat', allowed: [] }, ['10.0.0.53']))).toContain('masquerade');
});
