import {
  HearthError,
  runChangesSchema,
  runListSchema,
  runSchema,
  vmSchema,
  type RunEvent,
} from '@hearth/contract';
import { playEcho, type FakeRun } from '@hearth/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runEventSchema } from '@hearth/contract';
import { serverEvents } from '../test-events.ts';
import { refused } from '../test-problem.ts';
import { until } from '../test-controller.ts';
import { FAKE_KEY, startRunRig, type RunRig } from './test-runs.ts';

let rig: RunRig;
let ana: string;
beforeEach(async () => {
  rig = await startRunRig();
  ana = await rig.person('ana');
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const types = (events: readonly RunEvent[]): string[] => events.map(({ type }) => type);
/** The test plays the runs itself. */
const hold = (): void => {
  rig.host.runs.script.play = () => undefined;
};
const held = async (id: string): Promise<FakeRun> => {
  await until(`${id} to be begun`, () => rig.host.runs.kept.has(id as never));
  return rig.host.runs.kept.get(id as never) as FakeRun;
};

describe('POST /api/runs', () => {
  it('runs a prompt in the person’s own VM, which is made for it, and keeps what it said', async () => {
    const run = await rig.begin(ana, 'hello', { files: [{ path: 'a/data.bin', contentBase64: '/wD/' }] });
    expect(run).toMatchObject({ prompt: 'hello', cwd: '/home/hearth/work', exitCode: null, events: 0 });
    const done = await rig.becomes(ana, run.id, 'succeeded');
    expect(done).toMatchObject({
      exitCode: 0,
      failure: null,
      sessionId: run.id,
      model: 'fake-model',
      changes: [],
    });
    expect(done.position).toBeNull();
    const [begun] = rig.host.runs.begun;
    expect(begun?.order).toMatchObject({
      provider: 'claude_code',
      stdin: 'hello',
      cwd: '/home/hearth/work',
      files: [{ path: 'a/data.bin', contentBase64: '/wD/' }],
      timeoutMs: 30 * 60_000,
    });
    expect(JSON.stringify(begun?.order)).not.toContain(FAKE_KEY);
    const events = await rig.events(ana, run.id);
    expect(types(events)).toEqual(['started', 'metadata', 'text', 'metadata', 'done']);
    expect(events.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
    expect(events[2]).toMatchObject({ text: 'you said: hello', raw: { type: 'stream_event' } });
    expect(await rig.events(ana, run.id, 2)).toEqual(events.slice(3));
    expect(done.events).toBe(5);
    // Nothing is left in the guest, nor of the order.
    await until('the run to leave the guest', () => rig.host.runs.kept.size === 0);
    expect(await rig.api.db.selectFrom('run_orders').selectAll().execute()).toEqual([]);
    // The next one is in the same VM.
    const second = await rig.begin(ana, 'again');
    expect(await rig.becomes(ana, second.id, 'succeeded')).toMatchObject({ vmId: done.vmId });
  });

  it('streams the events themselves where they are asked for, under its older name too', async () => {
    const answer = await rig.api.call(ana, 'POST', '/api/prompts/execute', {
      body: { provider: 'claude_code', prompt: 'hello' },
      headers: { accept: 'text/event-stream' },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-hearth-run-id')).toMatch(/^run-/);
    const events: RunEvent[] = [];
    for await (const event of serverEvents(answer, runEventSchema)) events.push(event);
    expect(types(events)).toEqual(['started', 'metadata', 'text', 'metadata', 'done']);
  });

  it('gives the same run for the same Idempotency-Key, and refuses another body', async () => {
    const headers = { 'idempotency-key': 'key-1' };
    const body = { provider: 'claude_code', prompt: 'once' };
    const [first, second] = await Promise.all([rig.post(ana, body, headers), rig.post(ana, body, headers)]);
    const ids = [runSchema.parse(await first.json()).id, runSchema.parse(await second.json()).id];
    expect(ids[0]).toBe(ids[1]);
    expect(await refused(await rig.post(ana, { ...body, prompt: 'twice' }, headers))).toMatchObject({
      status: 422,
      code: 'idempotency_mismatch',
    });
    await rig.becomes(ana, ids[0] ?? '', 'succeeded');
    expect(rig.host.runs.begun).toHaveLength(1);
  });

  it('refuses what no VM is to be given, and says what was wrong', async () => {
    const bad = async (body: object): Promise<Awaited<ReturnType<typeof refused>>> =>
      refused(await rig.post(ana, { provider: 'claude_code', prompt: 'x', ...body }));
    expect(await bad({ provider: 'claude' })).toMatchObject({ status: 400, issues: ['provider'] });
    expect((await bad({ provider: 'claude' })).detail).toContain('claude_code');
    const large = await bad({ prompt: 'x'.repeat(5 * 1024 * 1024) });
    expect(large).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(large.detail).toContain('5.0 MiB; at most 1 MiB');
    expect(await bad({ prompt: 'x'.repeat(40 * 1024 * 1024) })).toMatchObject({ status: 413 });
    const file = Buffer.alloc(9 * 1024 * 1024).toString('base64');
    expect(await bad({ files: [{ path: 'a', contentBase64: file }] })).toMatchObject({ status: 413 });
    expect(await bad({ prompt: ' \n' })).toMatchObject({ status: 400, issues: ['prompt'] });
    expect(await bad({ prompt: 'a\0b' })).toMatchObject({ status: 400, issues: ['prompt'] });
    for (const cwd of ['/etc', '/home/hearth/../../etc', '/home/hearth-other', '/home/hearth/a\0', '/'])
      expect(await bad({ cwd }), cwd).toMatchObject({ status: 400, issues: ['cwd'] });
    for (const path of ['../x', '/etc/passwd', 'a/../../x', '.', 'a/', 'x\0'])
      expect(await bad({ files: [{ path, contentBase64: '' }] }), path).toMatchObject({
        status: 400,
        issues: ['files.0.path'],
      });
    const twice = [
      { path: 'a', contentBase64: '' },
      { path: './a', contentBase64: '' },
    ];
    expect(await bad({ files: twice })).toMatchObject({ status: 400, issues: ['files.1.path'] });
    expect(await bad({ sessionId: 'nobody-knows' })).toMatchObject({ status: 404, code: 'not_found' });
    expect(await bad({ provider: 'codex' })).toMatchObject({ status: 409, code: 'credential_missing' });
    expect(
      await refused(await rig.post(ana, { provider: 'claude_code', prompt: 'x', extra: 1 })),
    ).toMatchObject({
      issues: ['extra'],
    });
    expect(rig.host.machines.list()).toEqual([]);
  });

  it('F41: takes place in one’s own CLI VMs only', async () => {
    const bob = await rig.person('bob');
    const vm = async (token: string, kind: string) =>
      vmSchema.parse(await (await rig.api.call(token, 'POST', '/api/vms', { body: { kind } })).json());
    const [browser, his] = [await vm(ana, 'browser'), await vm(bob, 'cli')];
    const body = { provider: 'claude_code', prompt: 'x' };
    expect(await refused(await rig.post(ana, { ...body, vmId: browser.id }))).toMatchObject({
      code: 'not_a_cli_vm',
    });
    expect(await refused(await rig.post(ana, { ...body, vmId: his.id }))).toMatchObject({ status: 404 });
    const run = await rig.begin(bob, 'mine', { vmId: his.id });
    await rig.becomes(bob, run.id, 'succeeded');
    for (const path of ['', '/events', '/changes'])
      expect(await refused(await rig.api.call(ana, 'GET', `/api/runs/${run.id}${path}`))).toMatchObject({
        status: 404,
      });
    expect(await refused(await rig.api.call(ana, 'POST', `/api/runs/${run.id}/cancel`))).toMatchObject({
      status: 404,
    });
  });

  it('continues a conversation in its VM and folder', async () => {
    const first = await rig.begin(ana, 'one', { cwd: '/home/hearth/project/./x/' });
    const done = await rig.becomes(ana, first.id, 'succeeded');
    expect(done.cwd).toBe('/home/hearth/project/x');
    const next = await rig.begin(ana, 'two', { sessionId: done.sessionId });
    expect(await rig.becomes(ana, next.id, 'succeeded')).toMatchObject({ cwd: done.cwd, vmId: done.vmId });
    expect(rig.host.runs.begun[1]?.order.command).toContain(done.sessionId);
  });
});

describe('the end of a run', () => {
  it('tells what it changed, as diffs', async () => {
    rig.host.runs.script.play = (run) => {
      run.exit(0, [
        { path: 'new.txt', change: 'added', before: null, after: 'one\ntwo\n' },
        { path: 'old.txt', change: 'removed', before: 'gone', after: null },
        { path: 'main.ts', change: 'changed', before: 'a\nb\nc\n', after: 'a\nB\nc\n' },
        { path: 'picture.png', change: 'changed', before: null, after: null },
      ]);
    };
    const run = await rig.begin(ana, 'change');
    const done = await rig.becomes(ana, run.id, 'succeeded');
    expect(done.changes?.map(({ path }) => path)).toEqual(['new.txt', 'old.txt', 'main.ts', 'picture.png']);
    const answer = await rig.api.call(ana, 'GET', `/api/runs/${run.id}/changes`);
    const { changes, truncated } = runChangesSchema.parse(await answer.json());
    expect(truncated).toBe(false);
    expect(changes.map(({ diff }) => diff)).toEqual([
      '--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n',
      '--- a/old.txt\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-gone\n\\ No newline at end of file\n',
      '--- a/main.ts\n+++ b/main.ts\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n',
      null,
    ]);
  });

  it('F22: a tool that failed is no success, whatever it printed, and its own words are told', async () => {
    rig.host.runs.script.play = (run) => {
      run.complain('cannot open the database');
      run.exit(3);
    };
    const { id } = await rig.begin(ana, 'fail');
    const failed = await rig.becomes(ana, id, 'failed');
    expect(failed).toMatchObject({ exitCode: 3, failure: { code: 'run_failed' } });
    expect(failed.failure?.detail).toContain('cannot open the database');
    expect((await rig.events(ana, id)).at(-1)).toMatchObject({ type: 'done', exitCode: 3, state: 'failed' });
  });

  it('says that the tool wants a sign-in, and after repeated refusals pauses until there is another key', async () => {
    const refuse = (run: FakeRun): void => {
      run.say({ type: 'assistant', error: 'authentication_failed', message: { content: [] } });
      run.say({ type: 'result', subtype: 'success', is_error: true, result: 'Invalid API key' });
      run.exit(1);
    };
    rig.host.runs.script.play = refuse;
    for (const prompt of ['one', 'two']) {
      const { id } = await rig.begin(ana, prompt);
      const failed = await rig.becomes(ana, id, 'failed');
      expect(failed.failure).toMatchObject({ code: 'needs_login' });
      expect(types(await rig.events(ana, id)).filter((type) => type === 'needs_login')).toHaveLength(1);
    }
    const { id, state, waitingFor } = await rig.begin(ana, 'three');
    expect(state).toBe('paused');
    expect(waitingFor).toContain('sign in to Claude Code again');
    rig.host.runs.script.play = playEcho;
    await rig.person('ana');
    await rig.becomes(ana, id, 'succeeded');
    expect(rig.host.runs.begun).toHaveLength(3);
  });

  it('is lost with its VM, with the cause, and what it said is kept', async () => {
    hold();
    const { id } = await rig.begin(ana, 'die');
    const run = await held(id);
    run.say({ type: 'system', subtype: 'init', session_id: 'conversation', model: 'm' });
    await until('what it said', async () => (await rig.show(ana, id)).events === 2);
    rig.host.machines.crash(run.vmId, new HearthError('kernel_panic', 'out of memory'));
    const lost = await rig.becomes(ana, id, 'failed');
    expect(lost.failure).toMatchObject({ code: 'run_lost' });
    expect(lost.failure?.detail).toContain('out of memory');
    expect(types(await rig.events(ana, id))).toEqual(['started', 'metadata', 'error']);
    // The next run gets another VM.
    rig.host.runs.script.play = playEcho;
    const next = await rig.begin(ana, 'again');
    expect((await rig.becomes(ana, next.id, 'succeeded')).vmId).not.toBe(run.vmId);
  });

  it('a connection that breaks is taken up again where it was', async () => {
    hold();
    const { id } = await rig.begin(ana, 'long');
    const run = await held(id);
    const text = (part: string) => ({
      type: 'stream_event',
      event: { type: 'content_block_delta', delta: { type: 'text_delta', text: part } },
    });
    run.say(text('one'));
    await until('the first', async () => (await rig.show(ana, id)).events === 2);
    rig.host.runs.cut();
    run.say(text('two'));
    await rig.host.stop();
    run.say(text('three'));
    await rig.host.restart();
    run.exit(0);
    await rig.becomes(ana, id, 'succeeded');
    const texts = (await rig.events(ana, id)).flatMap((event) => (event.type === 'text' ? [event.text] : []));
    expect(texts).toEqual(['one', 'two', 'three']);
  });
});

describe('POST /api/runs/:id/cancel', () => {
  const cancel = (id: string): Promise<Response> => rig.api.call(ana, 'POST', `/api/runs/${id}/cancel`);

  it('F45: ends the tool of one that runs', async () => {
    hold();
    const { id } = await rig.begin(ana, 'forever');
    const run = await held(id);
    await rig.becomes(ana, id, 'running');
    expect((await cancel(id)).status).toBe(202);
    expect(await rig.becomes(ana, id, 'cancelled')).toMatchObject({ exitCode: 143, failure: null });
    expect(run.over).toBe(true);
    expect((await cancel(id)).status).toBe(202);
    expect((await rig.events(ana, id)).at(-1)).toMatchObject({ type: 'done', state: 'cancelled' });
  });

  it('takes one that waits out of the queue, and one that starts out of its VM', async () => {
    rig.host.script.holdBoot = true;
    const starting = await rig.begin(ana, 'starting');
    await rig.becomes(ana, starting.id, 'starting');
    await rig.begin(ana, 'second');
    const queued = await rig.begin(ana, 'third');
    expect((await rig.show(ana, queued.id)).waitingFor).toContain('one of the 2 runs');
    await cancel(queued.id);
    expect(await rig.show(ana, queued.id)).toMatchObject({ state: 'cancelled', position: null });
    await cancel(starting.id);
    await rig.becomes(ana, starting.id, 'cancelled');
    expect(types(await rig.events(ana, starting.id))).toEqual(['error']);
    expect(rig.host.runs.begun).toEqual([]);
  });

  it('F22: one that is over stays what it is', async () => {
    const { id } = await rig.begin(ana, 'quick');
    await rig.becomes(ana, id, 'succeeded');
    expect(await refused(await cancel(id))).toMatchObject({ status: 409, code: 'run_ended' });
    expect((await rig.show(ana, id)).state).toBe('succeeded');
  });
});

describe('GET /api/runs', () => {
  it('lists the newest first, and older ones behind one of them', async () => {
    const ids: string[] = [];
    for (const prompt of ['1', '2', '3']) {
      const { id } = await rig.begin(ana, prompt);
      await rig.becomes(ana, id, 'succeeded');
      ids.unshift(id);
    }
    const list = async (query: string): Promise<string[]> =>
      runListSchema
        .parse(await (await rig.api.call(ana, 'GET', `/api/runs${query}`)).json())
        .runs.map(({ id }) => id);
    expect(await list('')).toEqual(ids);
    expect(await list('?limit=1')).toEqual(ids.slice(0, 1));
    expect(await list(`?before=${ids[0]}`)).toEqual(ids.slice(1));
    expect(await refused(await rig.api.call(ana, 'GET', '/api/runs?limit=0'))).toMatchObject({ status: 400 });
    expect(await refused(await rig.api.call(ana, 'GET', '/api/runs/run-1'))).toMatchObject({ status: 400 });
  });
});
