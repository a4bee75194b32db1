import { runListEventSchema, type Run, type VmId } from '@hearth/contract';
import { playEcho, type FakeRun } from '@hearth/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRunRig, type RunRig } from '../http/test-runs.ts';
import { serverEvents } from '../test-events.ts';
import { until } from '../test-controller.ts';

let rig: RunRig;
let ana: string;
beforeEach(async () => {
  rig = await startRunRig({ controller: { maxVmsPerUser: 10 } });
  ana = await rig.person('ana');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const hold = (): void => {
  rig.host.runs.script.play = () => undefined;
};
const held = async (id: string): Promise<FakeRun> => {
  await until(`${id} to be begun`, () => rig.host.runs.kept.has(id as never));
  return rig.host.runs.kept.get(id as never) as FakeRun;
};
const text = (part: string) => ({
  type: 'stream_event',
  event: { type: 'content_block_delta', delta: { type: 'text_delta', text: part } },
});
const texts = async (id: string): Promise<string> =>
  (await rig.events(ana, id)).flatMap((event) => (event.type === 'text' ? [event.text] : [])).join(' ');

describe('a controller that is started anew', () => {
  it('goes on with a run whose VM was coming up', async () => {
    rig.host.script.bootMs = 300;
    const { id } = await rig.begin(ana, 'first');
    await until('the VM', () => rig.host.machines.list().length === 1);
    expect((await rig.show(ana, id)).state).toBe('starting');
    await rig.restart();
    await rig.becomes(ana, id, 'succeeded');
    expect([rig.host.machines.list().length, rig.host.runs.begun.length]).toEqual([1, 1]);
  });

  it('tells why a run failed whose VM was lost meanwhile; the next one gets another', async () => {
    rig.host.script.holdBoot = true;
    const { id } = await rig.begin(ana, 'first');
    await until('the VM', () => rig.host.machines.list()[0]?.state === 'booting');
    await rig.api[Symbol.asyncDispose]();
    rig.host.machines.lose(rig.host.machines.list()[0]?.id as VmId);
    rig.host.script.holdBoot = false;
    await rig.restart();
    expect((await rig.becomes(ana, id, 'failed')).failure?.detail).toContain('has nothing of it any more');
    await rig.becomes(ana, (await rig.begin(ana, 'second')).id, 'succeeded');
  });

  it('begins no second run where the answer to the first order was lost', async () => {
    rig.host.runs.script.loseAnswer = true;
    hold();
    const { id } = await rig.begin(ana, 'once');
    const run = await held(id);
    await rig.restart();
    rig.host.runs.script.loseAnswer = false;
    await rig.becomes(ana, id, 'running');
    run.say(text('done'));
    run.exit(0);
    await rig.becomes(ana, id, 'succeeded');
    expect(rig.host.runs.begun).toHaveLength(1);
    expect(await texts(id)).toBe('done');
  });

  it('reads the output exactly from where it stopped', async () => {
    hold();
    const { id } = await rig.begin(ana, 'long');
    const run = await held(id);
    run.say(text('one'));
    await until('the first', async () => (await rig.show(ana, id)).events === 2);
    await rig.restart();
    run.say(text('two'));
    await until('the second', async () => (await rig.show(ana, id)).events === 3);
    await rig.restart();
    run.say(text('three'));
    run.exit(0);
    await rig.becomes(ana, id, 'succeeded');
    expect(await texts(id)).toBe('one two three');
  });

  it('F22: finishes one that ended while nobody looked, and one that was cancelled', async () => {
    hold();
    const [ended, cancelled] = [await rig.begin(ana, 'ended'), await rig.begin(ana, 'cancelled')];
    const run = await held(ended.id);
    await held(cancelled.id);
    await rig.becomes(ana, cancelled.id, 'running');
    rig.host.runs.script.ignoreCancel = true;
    await rig.api.call(ana, 'POST', `/api/runs/${cancelled.id}/cancel`);
    const stopped = rig.api[Symbol.asyncDispose]();
    run.exit(0);
    await stopped;
    rig.host.runs.script.ignoreCancel = false;
    await rig.restart();
    await rig.becomes(ana, ended.id, 'succeeded');
    expect(await rig.becomes(ana, cancelled.id, 'cancelled')).toMatchObject({ exitCode: 143 });
    await until('both to leave the guest', () => rig.host.runs.kept.size === 0);
  });

  it('keeps the queue, and what waits for a sign-in', async () => {
    hold();
    const runs: Run[] = [];
    for (const prompt of ['a', 'b', 'c', 'd']) runs.push(await rig.begin(ana, prompt));
    const [a, b, c, d] = runs as [Run, Run, Run, Run];
    await rig.becomes(ana, b.id, 'running');
    expect(await rig.show(ana, c.id)).toMatchObject({ state: 'queued', position: 0 });
    expect(await rig.show(ana, d.id)).toMatchObject({ state: 'queued', position: 1 });
    await rig.restart();
    expect(await rig.show(ana, d.id)).toMatchObject({ state: 'queued', position: 1 });
    rig.host.runs.script.play = playEcho;
    (await held(a.id)).exit(0);
    (await held(b.id)).exit(0);
    await rig.becomes(ana, d.id, 'succeeded');
    expect(rig.host.runs.begun.map(({ order }) => order.stdin)).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('many runs', () => {
  it('20 runs on 2 VMs all finish, no more than allowed at once', async () => {
    const vms = await Promise.all(
      [1, 2].map(async () => {
        const answer = await rig.api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });
        return ((await answer.json()) as { id: string }).id;
      }),
    );
    rig.host.runs.script.play = (run) => {
      setTimeout(() => playEcho(run), 5);
    };
    const runs = await Promise.all(
      Array.from({ length: 20 }, (_, index) => rig.begin(ana, String(index), { vmId: vms[index % 2] })),
    );
    for (const { id } of runs) await rig.becomes(ana, id, 'succeeded');
    expect(rig.host.runs.begun).toHaveLength(20);
    expect([...rig.host.runs.mostAtOnce.keys()].toSorted()).toEqual(vms.toSorted());
    for (const most of rig.host.runs.mostAtOnce.values()) expect(most).toBeLessThanOrEqual(2);
  });

  it('tells the list of them as it changes, and refuses more than may wait', async () => {
    await rig[Symbol.asyncDispose]();
    rig = await startRunRig({ runs: { maxQueuedPerUser: 2 } });
    ana = await rig.person('ana');
    hold();
    const told: string[] = [];
    const leave = new AbortController();
    const answer = await rig.api.call(ana, 'GET', '/api/runs/events', { signal: leave.signal });
    const listening = (async () => {
      for await (const event of serverEvents(answer, runListEventSchema))
        told.push(
          event.type === 'listed' ? 'listed' : `${event.run.prompt} ${event.run.state} ${event.run.position}`,
        );
    })().catch(() => undefined);
    for (const prompt of ['a', 'b']) await rig.becomes(ana, (await rig.begin(ana, prompt)).id, 'running');
    for (const prompt of ['c', 'd']) await rig.begin(ana, prompt);
    const full = await rig.post(ana, { provider: 'claude_code', prompt: 'e' });
    expect(full.status).toBe(429);
    await until('the queue', () => told.includes('d queued 1'));
    (rig.host.runs.begun[0] as FakeRun).exit(0);
    await until('the next', () => told.includes('c running null') && told.includes('d queued 0'));
    expect(told[0]).toBe('listed');
    expect(told).toContain('a succeeded null');
    leave.abort();
    await listening;
  });

  it('a fast tool and a slow reader: what waits for the reader is bounded', async () => {
    hold();
    const { id } = await rig.begin(ana, 'fast');
    const run = await held(id);
    const LINES = 4000;
    const part = 'x'.repeat(4000);
    const slow = await rig.api.call(ana, 'GET', `/api/runs/${id}/events`);
    const reader = (slow.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    for (let index = 0; index < LINES; index += 1) run.say(text(part));
    run.exit(0);
    const before = process.memoryUsage().arrayBuffers;
    await until('its end', async () => (await rig.show(ana, id)).state === 'succeeded', 30_000);
    // 16 MB of output, which the controller neither keeps for the reader that sleeps nor reads ahead of what it writes.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(12 * 1024 * 1024);
    expect((await rig.show(ana, id)).events).toBe(LINES + 2);
    let bytes = 0;
    for (let piece = await reader.read(); !piece.done; piece = await reader.read())
      bytes += piece.value.length;
    // Each text is there twice: as ours, and in the tool's own event.
    expect(bytes).toBeGreaterThan(2 * LINES * part.length);
  }, 60_000);
});
