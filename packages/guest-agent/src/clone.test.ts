import { agentHealthSchema, guestReportSchema, type ServiceState } from '@hearth/contract';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Probe } from './probes/probe.ts';
import {
  IDENTITY,
  MACHINE_ID,
  SEED,
  startConfiguredAgent,
  startTestAgent,
  TOKEN,
  type TestAgent,
} from './testing/start-test-agent.ts';

const CLONE = {
  ...IDENTITY,
  vmId: 'vm-111111111111',
  hostname: 'clone',
  machineId: 'c'.repeat(32),
  mac: '02:00:00:00:00:0c',
};
const geometry = { width: 1280, height: 720 };

let lastId = 100;
const ask = (agent: TestAgent, message: object) => {
  const id = ++lastId;
  agent.host.send({ id, ...message });
  return agent.host.reply(id);
};
const configure = (agent: TestAgent, changes: object = {}) =>
  ask(agent, {
    ...{
      type: 'configure',
      identity: CLONE,
      token: TOKEN,
      display: null,
      seed: SEED,
      caCertificates: [],
      hostTimeMs: Date.now(),
    },
    ...changes,
  });
const display = (vncPassword: string, size = geometry) => ({ geometry: size, vncPassword });
const browser = { ...CLONE, kind: 'browser' };

/** The browser's probe; counts how often the browser was asked. */
function browserProbe(isFrozen: () => boolean): { probe: Probe; asked: () => number } {
  let asked = 0;
  const check = async (): Promise<string> => `answer ${++asked}`;
  return { probe: { name: 'browser', check, isFrozen: async () => isFrozen() }, asked: () => asked };
}

describe('prepare-snapshot', () => {
  it('takes from the guest what was its own, and serves nobody any more', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-prepare-'));
    await using agent = await startTestAgent({ vncPasswordFile: join(folder, 'vnc.passwd') });
    const identity = { ...IDENTITY, kind: 'browser' };
    expect((await configure(agent, { identity, display: display('maker000') })).ok).toBe(true);
    expect(await readdir(folder)).toEqual(['vnc.passwd']);
    agent.calls.length = 0;
    expect((await ask(agent, { type: 'prepare-snapshot' })).ok).toBe(true);
    expect(agent.calls).toEqual([
      'down eth0',
      'hostname hearth',
      'restart hearth-wallpaper.service',
      'freeze',
      'sync',
    ]);
    expect(await readdir(folder)).toEqual([]);
    expect((await agent.call('/health')).status).toBe(503);
    // Nothing thaws it but an identity.
    expect(await ask(agent, { type: 'thaw' })).toMatchObject({ ok: false });
    expect(agent.guest.memory.frozen).toBe(true);
    const report = guestReportSchema.parse((await ask(agent, { type: 'report' })).data);
    expect(report.services.map(({ name }) => name)).toEqual(['agent']);
    await rm(folder, { recursive: true });
  });

  it('says no hello by itself, which would bring an identity; it does where a host asks for one', async () => {
    await using agent = await startConfiguredAgent();
    expect((await ask(agent, { type: 'prepare-snapshot' })).ok).toBe(true);
    const hellos = () => agent.host.messages.filter(({ type }) => type === 'hello').length;
    const before = hellos();
    // Longer than the second after which one that waits for its identity says hello again.
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(hellos()).toBe(before);
    agent.host.sendRaw('\n');
    await expect.poll(hellos).toBeGreaterThan(before);
  });

  it('may be repeated', async () => {
    await using agent = await startConfiguredAgent();
    for (let time = 0; time < 2; time++)
      expect((await ask(agent, { type: 'prepare-snapshot' })).ok).toBe(true);
    expect((await configure(agent)).ok).toBe(true);
    expect(agent.guest.memory).toMatchObject({ machineId: CLONE.machineId, mac: CLONE.mac });
  });

  it('names what keeps it from being done', async () => {
    await using agent = await startConfiguredAgent();
    agent.guest.system.takeDown = () => Promise.reject(new Error('flags of eth0: No such device'));
    expect(await ask(agent, { type: 'prepare-snapshot' })).toMatchObject({
      ok: false,
      error: 'flags of eth0: No such device',
    });
  });
});

describe('a clone', () => {
  it('takes its identity: randomness first, clock last', async () => {
    await using agent = await startConfiguredAgent();
    await ask(agent, { type: 'prepare-snapshot' });
    agent.calls.length = 0;
    expect((await configure(agent, { hostTimeMs: 1e12 })).ok).toBe(true);
    expect(agent.calls.slice(0, 4)).toEqual([
      'reseed',
      `machine-id ${CLONE.machineId}`,
      'hostname clone',
      `mac eth0 ${CLONE.mac}`,
    ]);
    expect(agent.calls.findIndex((call) => call.startsWith('clock'))).toBeGreaterThan(3);
    const { address } = (await agent.host.until(
      (message) => message.type === 'address' && message.address.mac === CLONE.mac,
    )) as { address: object };
    expect(address).toMatchObject({ mac: CLONE.mac, ip: '192.168.100.2' });
    const health = agentHealthSchema.parse(await (await agent.call('/health')).json());
    expect(health.vmId).toBe(CLONE.vmId);
  });

  it('never tells the address of the card that it was', async () => {
    await using agent = await startConfiguredAgent();
    // It was saved as it ran: a hibernated VM is not prepared.
    await agent.host.until(({ type }) => type === 'address');
    agent.guest.system.setMac = async (_name, mac) => {
      Object.assign(agent.guest.memory, { mac, isUp: false });
    };
    const before = agent.host.messages.length;
    expect((await configure(agent)).ok).toBe(true);
    const told = () =>
      agent.host.messages
        .slice(before)
        .flatMap((message) => (message.type === 'address' ? [message.address] : []));
    expect(told()).toEqual([]);
    agent.guest.memory.isUp = true;
    await expect.poll(told).toMatchObject([{ mac: CLONE.mac, ip: '192.168.100.2' }]);
  });

  it('that was resumed as it was takes nothing but the randomness', async () => {
    await using agent = await startConfiguredAgent();
    agent.calls.length = 0;
    expect((await configure(agent, { identity: IDENTITY })).ok).toBe(true);
    expect(agent.calls.filter((call) => call !== 'name servers')).toEqual(['reseed']);
  });

  it('F46: a machine-id changes only where the memory was saved; a cold boot with another one is refused', async () => {
    await using agent = await startConfiguredAgent();
    const identity = { ...CLONE, mac: IDENTITY.mac };
    expect(await configure(agent, { identity })).toMatchObject({ ok: false });
    expect(agent.guest.memory.machineId).toBe(MACHINE_ID);
    await ask(agent, { type: 'prepare-snapshot' });
    expect(await configure(agent, { identity })).toMatchObject({ ok: true });
    expect(agent.guest.memory.machineId).toBe(CLONE.machineId);
    // That was once: now it is a VM like any other.
    expect(await configure(agent, { identity: { ...identity, machineId: MACHINE_ID } })).toMatchObject({
      ok: false,
    });
  });

  it('never makes a random value that its sibling made', async () => {
    const clone = async (seed: string): Promise<string> => {
      // Both go on from the same memory.
      await using agent = await startTestAgent();
      expect((await configure(agent, { identity: IDENTITY, seed })).ok).toBe(true);
      const answer = await agent.call('/exec', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ command: ['true'] }),
      });
      const id = /ex-[a-z0-9]{12}/.exec(await answer.text())?.[0];
      if (id === undefined) throw new Error('no exec id');
      return id;
    };
    const seeds = [1, 2].map((byte) => Buffer.alloc(64, byte).toString('base64'));
    const [one = '', other = ''] = seeds;
    const ids = [await clone(one), await clone(other)];
    expect(new Set(ids).size).toBe(2);
    // The same seed repeats them: all that is random comes from the kernel, and nothing else tells clones apart.
    expect(await clone(one)).toBe(ids[0]);
  });
});

describe('thaw', () => {
  const frozenClone = async (size = geometry) => {
    const { probe, asked } = browserProbe(() => agent.guest.memory.frozen);
    const agent: TestAgent = await startTestAgent({ probes: [probe] });
    const states = (): ServiceState[] =>
      agent.host.messages.findLast((message) => message.type === 'services')?.services ?? [];
    const identity = { ...IDENTITY, kind: 'browser' };
    await configure(agent, { identity, display: display('maker000') });
    await expect.poll(states).toMatchObject([{}, { name: 'browser', state: 'running' }]);
    await ask(agent, { type: 'prepare-snapshot' });
    const askedBefore = asked();
    agent.calls.length = 0;
    expect(await configure(agent, { identity: browser, display: display('clone001', size) })).toMatchObject({
      ok: true,
    });
    return { agent, states, asked: () => asked() - askedBefore };
  };

  it('lets the browser run that was frozen, counted as running and not asked until then', async () => {
    const { agent, states, asked } = await frozenClone();
    await using _ = agent;
    await expect.poll(states).toMatchObject([{}, { name: 'browser', state: 'frozen' }]);
    expect(agentHealthSchema.parse(await (await agent.call('/health')).json()).status).toBe('ok');
    expect(asked()).toBe(0);
    expect((await ask(agent, { type: 'thaw' })).ok).toBe(true);
    expect(agent.calls.at(-1)).toBe('thaw');
    await expect.poll(states).toMatchObject([{}, { name: 'browser', state: 'running' }]);
    await expect.poll(() => agent.calls.at(-1), { timeout: 4000 }).toBe('restart hearth-wallpaper.service');
    const calls = agent.calls.length;
    expect((await ask(agent, { type: 'thaw' })).ok).toBe(true);
    expect(agent.calls).toHaveLength(calls);
  });

  it('comes at once where the screen has another size than in the snapshot', async () => {
    const { agent, states } = await frozenClone({ width: 1024, height: 768 });
    await using _ = agent;
    expect(agent.calls).toContain('thaw');
    await expect.poll(states).toMatchObject([{}, { name: 'browser', state: 'running' }]);
  });

  it('comes before the power goes off: what is frozen could not end', async () => {
    const { agent } = await frozenClone();
    await using _ = agent;
    expect((await ask(agent, { type: 'shutdown' })).ok).toBe(true);
    await expect.poll(() => agent.calls).toContain('poweroff');
    expect(agent.calls.indexOf('thaw')).toBeGreaterThan(-1);
    expect(agent.calls.indexOf('thaw')).toBeLessThan(agent.calls.indexOf('poweroff'));
  });
});
