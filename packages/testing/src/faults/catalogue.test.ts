import { whyCauses, type WhyCause } from '@hearth/contract';
import { describe, expect, it } from 'vitest';
import { faults } from './catalogue.ts';
import { formatTrial, formatVerdict } from './trial-table.ts';
import type { Trial } from './trials.ts';

/** Causes that the lab must be able to make: those of the design's list of faults. */
const required: readonly WhyCause[] = [
  ...(['tap_down', 'tap_off_bridge', 'guest_wrong_mac', 'lease_elsewhere', 'kernel_ip_argument'] as const),
  ...(['duplicate_machine_id', 'dnsmasq_dead', 'firewall_changed', 'foreign_firewall'] as const),
  ...(['agent_masked', 'agent_crashed', 'agent_hung', 'token_refused', 'kernel_panic'] as const),
  ...(['guest_out_of_memory', 'guest_disk_full', 'upper_disk_missing', 'vmm_stopped', 'vmm_killed'] as const),
  ...(['control_channel_closed', 'guest_clock_off', 'display_dead', 'browser_dead'] as const),
  ...(['console_missing', 'host_disk_full', 'bridge_address_gone', 'forwarding_off'] as const),
];

describe('the faults of the lab (F47)', () => {
  it('have names of their own', () => {
    const names = faults.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('make every cause of the design’s list, each of the table', () => {
    const made = new Set(faults.map(({ expects }) => expects));
    expect(required.filter((cause) => !made.has(cause))).toEqual([]);
    for (const cause of made) expect(whyCauses).toHaveProperty(cause);
  });

  it('can be taken away where the VM goes on, and come before those that spoil it', () => {
    for (const { name, undo, spoils } of faults) if (!spoils) expect(undo, name).not.toBeNull();
    const groups = faults
      .map(({ kind, spoils }) => `${kind} ${spoils}`)
      .filter((group, index, all) => group !== all[index - 1]);
    expect(groups).toEqual(['cli false', 'cli true', 'browser false', 'browser true']);
  });
});

describe('the table', () => {
  const right: Trial = {
    ...{ fault: 'tap_down', expected: 'tap_down', named: 'tap_down', layer: 'network', right: true },
    ...{ detail: 'tap64646402 is down', whyMs: 300, tookMs: 2500 },
  };
  const wrong: Trial = { ...right, named: null, layer: null, right: false, detail: 'not within 60 s' };

  it('shows a reason only for what was not named right', () => {
    expect(formatTrial(right)).toMatch(/^tap_down +tap_down +yes +network +2\.5$/);
    expect(formatTrial(wrong)).toMatch(/^tap_down +– +NO +– +2\.5\n {2}not within 60 s$/);
  });

  it('counts, and names what is left', () => {
    expect(formatVerdict([right, wrong], [])).toBe(
      '1 of 2 faults named right in 5 s; nothing is left of their VMs',
    );
    expect(formatVerdict([right], ['1 taps'])).toContain('left of their VMs: 1 taps');
  });
});
