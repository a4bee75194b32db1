import {
  HearthError,
  isUp,
  toFailure,
  whyCauseNames,
  whyCauses,
  whySchema,
  type WhyCause,
} from '@hearth/contract';
import { describe, expect, test } from 'vitest';
import { judge } from './diagnose.ts';
import type { Evidence } from './evidence.ts';
import {
  address,
  agentGone,
  evidenceOf,
  fault,
  healthOf,
  ID,
  noSigns,
  nobodyThere,
  NOW_MS,
  OTHER_ID,
  OTHER_MACHINE_ID,
  plan,
  recordOf,
  reportOf,
  servicesOf,
  sightOf,
  unreachable,
  withReport,
  withSight,
} from './test-evidence.ts';

const at = new Date(NOW_MS);
const line = (text: string, agoMs = 1000) => ({ text, atMs: NOW_MS - agoMs });
const signs = (also: Partial<typeof noSigns>): Partial<Evidence> => ({
  console: { value: { ...noSigns, ...also } },
});
const own = { interface: 'eth0', mac: address.mac, prefixLength: 24, gateway: plan.gateway };
const failed = (code: HearthError['code'], detail = 'planted') => {
  const lastFault = new HearthError(code, detail);
  return { lastFault, failure: toFailure(lastFault, at) };
};
const elsewhere = '192.168.100.250';
const linkOf = (name: string, also: object) =>
  withSight(({ links }) => ({
    links: links.map((link) => (link.name === name ? { ...link, ...also } : link)),
  }));
const ended = (cause: WhyCause): Partial<Evidence> => {
  const { lastFault, failure } = failed(cause === 'kernel_panic' ? 'kernel_panic' : 'vmm_failed');
  return {
    ...nobodyThere,
    ...{ trigger: 'failed', lastFault, process: { value: null } },
    record: recordOf('cli', { state: 'failed', failure }),
  };
};
const withService = (name: 'display' | 'browser'): Partial<Evidence> => {
  const services = servicesOf('browser').map((one) =>
    one.name === name ? { ...one, state: 'failed' as const, detail: 'nobody listens' } : one,
  );
  const failedUnits = [`hearth-${name}.service`];
  return {
    health: { value: { ...healthOf('browser'), status: 'degraded', services } },
    ...withReport({ services, failedUnits }, 'browser'),
    ...(name === 'display' ? { display: fault('desktop_unreachable', 'ECONNREFUSED') } : {}),
  };
};

/** Of the controller: the host says nothing where it is down, or has no record. */
const notOfTheHost = ['host_daemon_down', 'unknown_to_host'] as const;

/** What each cause leaves behind, consequences included. */
const faults: Record<Exclude<WhyCause, (typeof notOfTheHost)[number]>, Partial<Evidence>> = {
  never_started: {
    record: recordOf('cli', {
      ...{ state: 'failed', phases: [], vmm: null, address: null },
      failure: failed('image_missing').failure,
    }),
    ...{ process: null, vmm: null, console: { value: null }, upperIsThere: null },
    ...{ ping: null, report: null, reach: null, health: null },
  },
  vmm_killed: ended('vmm_killed'),
  vmm_stopped: {
    ...nobodyThere,
    process: { value: { pid: 4242, state: 'T', commandLine: `-name hearth-${ID}` } },
  },
  upper_disk_missing: { upperIsThere: { value: false } },
  host_disk_full: {
    freeMiB: { value: 2 },
    ...nobodyThere,
    vmm: { value: { status: 'io-error', running: false, guestHasControl: true } },
  },
  vmm_silent: { ...nobodyThere, vmm: fault('vmm_failed', 'QEMU gives no answer') },
  vmm_paused: { ...nobodyThere, vmm: { value: { status: 'paused', running: false, guestHasControl: true } } },
  console_missing: { console: { value: null } },
  kernel_panic: { ...ended('kernel_panic'), ...signs({ panic: line('Kernel panic - not syncing: x') }) },
  guest_out_of_memory: {
    ...agentGone,
    ...signs({
      outOfMemory: line('Out of memory: Killed process 77 (node)', 3_000_000),
      agent: { state: 'crashed', line: line('hearth-unit: hearth-agent.service ended oom-kill killed KILL') },
    }),
  },
  emergency_mode: { ...agentGone, ...signs({ emergency: line('You are in emergency mode.') }) },
  initramfs_failed: {
    ...ended('vmm_killed'),
    ...signs({ initramfs: line('hearth-error: no disk hearth-upper') }),
  },
  control_channel_closed: {
    vmm: { value: { status: 'running', running: true, guestHasControl: false } },
    ping: fault('deadline_exceeded'),
    report: fault('deadline_exceeded'),
  },
  guest_interface_missing: {
    ...unreachable,
    ...withReport({ links: [], addresses: [], routes: [], gateway: null }),
  },
  guest_interface_down: {
    ...unreachable,
    ...withReport({
      links: [{ name: 'eth0', mac: address.mac, up: false }],
      addresses: [{ ...own, ip: null }],
      routes: [],
      gateway: null,
    }),
  },
  guest_wrong_mac: {
    ...unreachable,
    ...withReport({
      links: [{ name: 'eth0', mac: '02:00:00:00:00:99', up: true }],
      addresses: [{ ...own, mac: '02:00:00:00:00:99', ip: null }],
      routes: [],
    }),
  },
  guest_no_address: {
    ...unreachable,
    ...withReport({ addresses: [{ ...own, ip: null, gateway: null }], routes: [], gateway: null }),
  },
  guest_wrong_address: {
    ...{
      ...unreachable,
      trigger: 'failed',
      record: recordOf('cli', { state: 'failed', failure: failed('address_mismatch').failure }),
    },
    ...withReport({
      addresses: [{ ...own, ip: '192.168.100.251' }],
      gateway: { ok: false, detail: 'no answer' },
    }),
  },
  kernel_ip_argument: {
    ...unreachable,
    ...withReport({
      addresses: [{ ...own, ip: '192.168.100.252' }],
      kernelCommandLine: 'quiet ip=192.168.100.252::192.168.100.1:255.255.255.0::eth0:off',
    }),
    ...withSight(() => ({ leases: [] })),
  },
  duplicate_machine_id: withReport({ machineId: OTHER_MACHINE_ID }),
  guest_no_route: withReport({ routes: ['192.168.100.0/24 dev eth0'], gateway: null }),
  guest_disk_full: withReport({ disk: { freeMiB: 0, totalMiB: 1024 } }),
  guest_clock_off: withReport({ timeMs: NOW_MS + 7_200_000 }),
  guest_unit_failed: withReport({ failedUnits: ['hearth-fault.service'] }),
  tap_missing: {
    ...unreachable,
    ...withSight(({ links }) => ({ links: links.filter(({ name }) => name !== address.tap), fdb: [] })),
    ...withReport({ gateway: { ok: false, detail: 'no answer' } }),
  },
  // Long enough for the guest to lose its lease as well.
  tap_down: {
    ...unreachable,
    ...linkOf(address.tap, { up: false }),
    ...withReport({ addresses: [{ ...own, ip: null }], routes: [], gateway: null }),
  },
  tap_off_bridge: { ...unreachable, ...linkOf(address.tap, { master: null }) },
  bridge_missing: {
    ...unreachable,
    ...withSight(({ links }) => ({
      links: links.filter(({ name }) => name !== plan.bridge).map((link) => ({ ...link, master: null })),
      ...{ fdb: [], dnsmasqFault: 'it does not answer' },
    })),
  },
  bridge_down: { ...unreachable, ...linkOf(plan.bridge, { up: false }) },
  bridge_address_gone: { ...unreachable, ...linkOf(plan.bridge, { addresses: [] }) },
  mac_unknown: { ...unreachable, ...withSight(() => ({ fdb: [] })) },
  dnsmasq_dead: {
    ...withSight(() => ({ dnsmasqFault: 'dnsmasq ended with code 2' })),
    ...withReport({ gateway: { ok: false, detail: 'no answer' } }),
  },
  reservation_missing: withSight(() => ({ reservations: [] })),
  lease_elsewhere: {
    ...{
      ...unreachable,
      trigger: 'failed',
      record: recordOf('cli', { state: 'failed', failure: failed('address_mismatch').failure }),
    },
    ...withReport({ addresses: [{ ...own, ip: elsewhere }] }),
    ...withSight(({ leases, reservations }) => ({
      leases: leases.map((lease) => ({ ...lease, ip: elsewhere })),
      reservations: reservations.map((one) => ({ ...one, ip: elsewhere })),
    })),
  },
  lease_missing: withSight(() => ({ leases: [] })),
  neighbour_wrong_mac: {
    ...unreachable,
    ...withSight(() => ({
      neighbours: [{ ip: address.ip, mac: '02:00:00:00:00:99', state: 'PERMANENT' }],
    })),
  },
  firewall_changed: withSight(() => ({
    rulesFault: 'the rules of family inet were changed by something else',
  })),
  pin_missing: { ...unreachable, ...withSight(() => ({ pins: [] })) },
  foreign_firewall: withSight(() => ({ foreignDrops: ['chain forward of table ip filter drops by policy'] })),
  forwarding_off: withSight(() => ({ forwarding: false })),
  unreachable_from_host: unreachable,
  unreachable_from_guest: withReport({ gateway: { ok: false, detail: 'no answer' } }),
  agent_masked: {
    ...agentGone,
    ...signs({
      agent: {
        state: 'absent',
        line: line('hearth-unit: hearth-agent.service LoadState=masked ActiveState=inactive'),
      },
    }),
  },
  agent_crashed: {
    ...agentGone,
    ...signs({
      agent: { state: 'crashed', line: line('hearth-unit: hearth-agent.service ended exit-code exited 1') },
    }),
  },
  agent_hung: {
    ping: fault('deadline_exceeded'),
    report: fault('deadline_exceeded'),
    health: fault('deadline_exceeded'),
  },
  agent_wrong_version: { health: { value: { ...healthOf('cli'), version: '0.0.9' } } },
  agent_of_another_vm: { health: { value: { ...healthOf('cli'), vmId: OTHER_ID } } },
  token_refused: { health: fault('unauthenticated', 'the token is not that of this boot') },
  display_dead: withService('display'),
  browser_dead: withService('browser'),
};

const kindOf = (cause: WhyCause) =>
  cause === 'display_dead' || cause === 'browser_dead' ? 'browser' : 'cli';

describe('F47: every cause is named by its own evidence', () => {
  test('the table is whole', () => {
    expect([...Object.keys(faults), ...notOfTheHost].sort()).toEqual([...whyCauseNames].sort());
  });

  test.each(Object.entries(faults))('%s', (name, planted) => {
    const cause = name as WhyCause;
    const why = judge(evidenceOf(kindOf(cause), planted), at);
    expect(why.checks.filter((check) => check.status === 'broken').map((check) => check.cause)).toContain(
      cause,
    );
    expect(why.finding?.cause).toBe(cause);
    expect(why.finding?.check).toBe(whyCauses[cause].check);
    expect(whySchema.parse({ ...why, tookMs: 1 }).verdict).toBe('broken');
  });
});

describe('no false alarm', () => {
  test.each(['cli', 'browser'] as const)('a %s VM that is well is healthy, in every check', (kind) => {
    const why = judge(evidenceOf(kind), at);
    expect(why).toMatchObject({ verdict: 'healthy', finding: null });
    expect(why.checks.filter(({ status }) => status === 'unknown' || status === 'broken')).toEqual([]);
  });

  test('what is frozen in a clone counts as up', () => {
    const services = servicesOf('browser').map((one) =>
      one.name === 'browser' ? { ...one, state: 'frozen' as const } : one,
    );
    expect(services.every(isUp)).toBe(true);
    const health = { value: { ...healthOf('browser'), services } };
    expect(judge(evidenceOf('browser', { health, ...withReport({ services }, 'browser') }), at).verdict).toBe(
      'healthy',
    );
  });

  test('a failed unit of the user’s own, a stale neighbour and an old OOM kill are no fault', () => {
    const evidence = evidenceOf('cli', {
      ...withReport({ failedUnits: ['my-job.service'], oomKills: 1 }),
      ...signs({ outOfMemory: line('Out of memory: Killed process 7', 3_600_000) }),
      ...withSight(() => ({ neighbours: [{ ip: address.ip, mac: null, state: 'FAILED' }] })),
    });
    expect(judge(evidence, at).verdict).toBe('healthy');
  });

  test('a guest that answers has not panicked, whatever was printed', () => {
    expect(judge(evidenceOf('cli', signs({ panic: line('Kernel panic - not syncing') })), at).verdict).toBe(
      'healthy',
    );
  });

  test('an agent that knows no report leaves the guest unknown', () => {
    const refusal = fault('control_channel_failed', 'the guest refused: unknown message');
    const why = judge(evidenceOf('cli', { ping: refusal, report: refusal }), at);
    expect(why.verdict).toBe('healthy');
    expect(why.checks.find(({ name }) => name === 'guest')?.status).toBe('unknown');
  });

  test('while it boots, what is not reached yet is unknown; once it failed, it counts', () => {
    const booting = recordOf('cli', { state: 'booting', phases: [{ phase: 'vmm', atMs: 1 }] });
    const still = {
      ...agentGone,
      ...unreachable,
      record: booting,
      words: null,
      ...withSight(() => ({ leases: [] })),
    };
    const asked = judge(evidenceOf('cli', still), at);
    expect(asked).toMatchObject({ verdict: 'healthy', finding: null });
    expect(asked.checks.filter(({ status }) => status === 'unknown').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['control_channel', 'guest', 'lease', 'reachability']),
    );
    expect(judge(evidenceOf('cli', { ...still, trigger: 'failed' }), at).finding?.cause).toBe(
      'control_channel_closed',
    );
    const panicked = judge(
      evidenceOf('cli', { ...still, ...signs({ panic: line('Kernel panic - not syncing') }) }),
      at,
    );
    expect(panicked.finding?.cause).toBe('kernel_panic');
  });
});

describe('what names the finding', () => {
  test('a VM that is hibernated does not run, and is not broken', () => {
    const evidence = evidenceOf('cli', {
      record: recordOf('cli', { state: 'hibernated', address: null, vmm: null }),
    });
    expect(judge(evidence, at)).toMatchObject({ verdict: 'not_running', finding: null });
  });

  test.each(Object.entries(faults))('whose disk is kept fails as any other: %s', (name, planted) => {
    const cause = name as WhyCause;
    const { record = recordOf(kindOf(cause)) } = planted;
    const judged = (state: 'failed' | 'hibernated') =>
      judge(evidenceOf(kindOf(cause), { ...planted, record: { ...record, state }, trigger: 'failed' }), at);
    expect(judged('hibernated').finding?.cause).toBe(judged('failed').finding?.cause);
  });

  test.each([
    ['kernel_panic', 'kernel_panic'],
    ['vmm_failed', 'vmm_killed'],
    ['disk_full', 'host_disk_full'],
    ['deadline_exceeded', 'never_started'],
  ] as const)('of a VM that gave everything back after %s is left: %s', (code, cause) => {
    const { failure } = failed(code);
    const evidence = evidenceOf('cli', {
      record: recordOf('cli', { state: 'failed', failure, address: null, vmm: null }),
      ...{
        process: null,
        vmm: null,
        upperIsThere: null,
        ping: null,
        report: null,
        reach: null,
        health: null,
      },
    });
    expect(judge(evidence, at).finding).toMatchObject({ cause, detail: 'planted' });
  });

  test('a cut cable is named before an agent’s report of a failed unit and an OOM kill', () => {
    const evidence = evidenceOf('cli', {
      ...faults.tap_down,
      ...withReport({ failedUnits: ['systemd-networkd.service'] }),
      ...signs({ outOfMemory: line('Out of memory: Killed process 7') }),
    });
    expect(judge(evidence, at).finding?.cause).toBe('tap_down');
  });

  test('a guest that stands still is hung, though neither channel nor network answers', () => {
    const evidence = evidenceOf('cli', { ...faults.agent_hung, ...unreachable });
    expect(judge(evidence, at).finding?.cause).toBe('agent_hung');
  });

  test('a unit that was stopped in order says nothing on the console: it is masked, not crashed', () => {
    expect(judge(evidenceOf('cli', agentGone), at).finding?.cause).toBe('agent_masked');
    const after = signs({ agent: { state: 'started', line: line('agent started') } });
    expect(judge(evidenceOf('cli', { ...agentGone, ...after }), at).finding?.cause).toBe('agent_masked');
  });

  test('an address that the guest took by itself is not the lease’s fault', () => {
    const evidence = evidenceOf('cli', {
      ...withReport({ addresses: [{ ...own, ip: '192.168.100.77' }] }),
      network: { value: { ...sightOf(), leases: [{ ...sightOf().leases[0]!, ip: elsewhere }] } },
    });
    expect(judge(evidence, at).finding?.cause).toBe('guest_wrong_address');
  });

  test('with nothing to be had, nothing is broken and nothing throws', () => {
    const none = fault('network_failed');
    const evidence = evidenceOf('browser', {
      ...{
        process: none,
        upperIsThere: none,
        freeMiB: none,
        vmm: none,
        console: none,
        ping: none,
        report: none,
      },
      ...{ network: none, reach: none, health: none, display: none, words: null },
    });
    const why = judge(evidence, at);
    expect(why.checks).toHaveLength(19);
    expect(why.checks.filter(({ status }) => status === 'broken')).toEqual([]);
  });

  test('the report of an own guest is enough: services come from it where /health fails', () => {
    expect(reportOf('browser').services.map(({ name }) => name)).toContain('display');
    const evidence = evidenceOf('browser', { ...withService('browser'), health: fault('deadline_exceeded') });
    expect(judge(evidence, at).checks.find(({ name }) => name === 'browser')?.cause).toBe('browser_dead');
  });

  test.each(['display', 'browser'] as const)('systemd knows of a dead %s before the next probe', (name) => {
    const unit = { name: `hearth-${name}.service`, load: 'masked', state: 'inactive/dead', restarts: 0 };
    const evidence = evidenceOf('browser', withReport({ units: [unit] }, 'browser'));
    expect(judge(evidence, at).finding).toMatchObject({
      cause: `${name}_dead`,
      detail: `hearth-${name}.service is inactive/dead (masked)`,
    });
  });
});
