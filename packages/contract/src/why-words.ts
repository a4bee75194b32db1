import type { WhyCheckName } from './why-causes.ts';

/** Each check as people call what it looks at. */
export const checkWords: Readonly<Record<WhyCheckName, string>> = {
  record: 'record',
  process: 'process',
  disk: 'disk',
  vmm: 'VMM',
  console: 'console',
  control_channel: 'control channel',
  guest: 'guest',
  tap: 'TAP',
  bridge: 'bridge',
  mac: 'MAC address',
  dnsmasq: 'dnsmasq',
  lease: 'lease',
  neighbour: 'neighbour entry',
  firewall: 'firewall',
  reachability: 'reachability',
  agent: 'agent',
  token: 'token',
  display: 'display',
  browser: 'browser',
};

/** A hint of the table of causes with this VM's id in its commands, so that they can be copied. */
export const hintFor = (hint: string, vmId: string): string =>
  hint.replaceAll(/`[^`]*`/g, (command) => command.replace(/\bID\b/, vmId));
