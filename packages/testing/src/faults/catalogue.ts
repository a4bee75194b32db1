import { bootFaults } from './boot.ts';
import { desktopFaults } from './desktop.ts';
import type { Fault } from './fault.ts';
import { agentFaults } from './guest-agent.ts';
import { guestFaults } from './guest-inside.ts';
import { guestNetworkFaults } from './guest-network.ts';
import { dhcpFaults } from './host-dhcp.ts';
import { firewallFaults } from './host-firewall.ts';
import { linkFaults } from './host-links.ts';
import { machineFaults } from './host-machine.ts';

const all: readonly Fault[] = [
  ...linkFaults,
  ...firewallFaults,
  ...dhcpFaults,
  ...guestFaults,
  ...machineFaults,
  ...guestNetworkFaults,
  ...agentFaults,
  ...bootFaults,
  ...desktopFaults,
];

/** Those of one kind beside each other, and first those after which the VM goes on: a VM serves as many as it can. */
export const faults: readonly Fault[] = (['cli', 'browser'] as const).flatMap((kind) =>
  [false, true].flatMap((spoils) => all.filter((fault) => fault.kind === kind && fault.spoils === spoils)),
);
