import { parseConfig, vmIdSchema, type Address, type VmId } from '@hearth/contract';
import { macOf, planNetwork, tapOf } from '../network/addressing.ts';
import { pinText } from '../network/firewall.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Sight } from './compare.ts';
import { expectationOf, type ExpectingRecord } from './expectation.ts';

export const testConfig = parseConfig(
  {
    name: 'drift',
    stateDir: '/state',
    runDir: '/run/drift',
    network: { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30' },
  },
  {},
);

export const testId = (n: number): VmId => vmIdSchema.parse(`vm-${String(n).padStart(12, '0')}`);

export function testAddress(n: number): Address {
  const ip = `10.77.0.${n + 2}`;
  return { ip, mac: macOf(ip), tap: tapOf(ip), hostname: testId(n), machineId: `${n}`.padStart(32, '0') };
}

/** The record of VM number `n`. */
export function testRecord(n: number, state: ExpectingRecord['state'] = 'ready'): ExpectingRecord {
  const up = ['booting', 'ready', 'hibernating'].includes(state);
  const holds = up || state === 'creating' || state === 'deleting';
  return {
    id: testId(n),
    state,
    vmm: up ? { pid: 1000 + n, startTicks: 1 } : null,
    address: holds ? testAddress(n) : null,
    saved: null,
  };
}

/** One that a test may spoil. */
interface Machine extends Sight {
  network: NetworkSight;
  processes: Map<VmId, 'runs' | 'stopped' | 'gone'>;
  missingFiles: Set<string>;
}

/** What is expected of these records, and a machine on which all of it is so. */
export function wholeMachine(records: readonly ExpectingRecord[]) {
  const expected = expectationOf(
    testConfig,
    records,
    records.flatMap(({ id, address }) => (address === null ? [] : [{ vmId: id, address }])),
  );
  const plan = planNetwork(testConfig);
  const up = expected.vms.flatMap(({ id, address, running }) =>
    address === null || running === null ? [] : [{ id, address }],
  );
  const addresses = up.map(({ address }) => address);
  const seen: Machine = {
    network: {
      links: [
        {
          ...{ name: plan.bridge, up: true, carrier: true, master: null, mac: macOf(plan.gateway) },
          addresses: [`${plan.gateway}/${plan.prefixLength}`],
        },
        ...addresses.map(({ tap }) => ({
          ...{
            name: tap,
            up: true,
            carrier: true,
            master: plan.bridge,
            mac: 'fe:00:00:00:00:00',
          },
          addresses: [],
        })),
      ],
      fdb: addresses.map(({ mac, tap }) => ({ mac, interface: tap })),
      neighbours: addresses.map(({ ip, mac }) => ({ ip, mac, state: 'REACHABLE' })),
      leases: addresses.map(({ ip, mac, hostname }) => ({
        ...{ ip, mac, hostname, expiresAtSeconds: 0, clientId: '*' },
      })),
      reservations: addresses.map(({ mac, ip }) => ({ mac, ip })),
      pins: addresses.map(pinText),
      rulesFault: null,
      foreignDrops: [],
      forwarding: true,
      dnsmasqFault: null,
    },
    processes: new Map(up.map(({ id }) => [id, 'runs'])),
    missingFiles: new Set(),
  };
  return { expected, seen, plan };
}
