import { agentHealthSchema, guestReportSchema, problemSchema, type GuestDisplay } from '@hearth/contract';
import { passwordFile } from '@hearth/rfb';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFakeGuest } from './testing/fake-guest.ts';
import {
  IDENTITY,
  MACHINE_ID,
  SEED,
  startConfiguredAgent,
  startTestAgent,
  TOKEN,
} from './testing/start-test-agent.ts';

const problem = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body = problemSchema.parse(await response.json());
  expect(body.status).toBe(response.status);
  return body;
};

describe('control channel', () => {
  it('says hello first, takes its identity, then tells its state', async () => {
    await using agent = await startTestAgent();
    await agent.host.until(({ type }) => type === 'hello');
    expect(agent.host.messages).toHaveLength(1);
    expect(await agent.host.configure()).toMatchObject({ ok: true });
    await agent.host.until(({ type }) => type === 'credentials');
    expect(agent.host.messages.map(({ type }) => type)).toEqual([
      'hello',
      'reply',
      'address',
      'services',
      'credentials',
    ]);
    expect(agent.calls.toSorted()).toEqual(['hostname hearth-test', 'name servers', 'reseed']);
  });

  it('repeats hello until it is configured', async () => {
    await using agent = await startTestAgent();
    await agent.host.until(() => agent.host.messages.filter(({ type }) => type === 'hello').length >= 2);
  });

  it('F46: refuses to be another machine than the host believes', async () => {
    await using agent = await startTestAgent();
    agent.host.send({
      type: 'configure',
      id: 7,
      identity: { ...IDENTITY, machineId: 'f'.repeat(32) },
      token: TOKEN,
      display: null,
      seed: SEED,
      caCertificates: [],
      hostTimeMs: Date.now(),
    });
    const reply = await agent.host.reply(7);
    expect(reply.ok).toBe(false);
    expect(reply.error).toContain(MACHINE_ID);
    expect((await agent.call('/health')).status).toBe(503);
  });

  it('sets a clock that is off, and leaves one that is right', async () => {
    await using agent = await startConfiguredAgent();
    expect(agent.calls.join()).not.toContain('clock');
    agent.host.send({
      type: 'configure',
      id: 2,
      identity: IDENTITY,
      token: TOKEN,
      display: null,
      seed: SEED,
      caCertificates: [],
      hostTimeMs: 1e12,
    });
    expect((await agent.host.reply(2)).ok).toBe(true);
    const set = Number(agent.calls.find((call) => call.startsWith('clock'))?.slice(6));
    expect(set).toBeGreaterThanOrEqual(1e12);
    expect(set).toBeLessThan(1e12 + 5000);
  });

  it('reports, and powers off after it has said so', async () => {
    await using agent = await startConfiguredAgent();
    agent.host.send({ type: 'report', id: 2 });
    const report = guestReportSchema.parse((await agent.host.reply(2)).data);
    expect(report).toMatchObject({ machineId: MACHINE_ID, failedUnits: ['broken.service'] });
    expect(report.gateway).toEqual({ ok: true, detail: '192.168.100.1 answered' });
    agent.host.send({ type: 'shutdown', id: 3 });
    expect((await agent.host.reply(3)).ok).toBe(true);
    await expect.poll(() => agent.calls).toContain('poweroff');
  });

  it('answers a ping at once, whatever else it is busy with', async () => {
    const reseed = () => Promise.withResolvers<never>().promise;
    const guest = createFakeGuest({
      ...{ mac: IDENTITY.mac, machineId: MACHINE_ID, hostname: 'busy', isUp: true, frozen: false, pool: '' },
    });
    await using agent = await startTestAgent({ system: { ...guest.system, reseed } });
    agent.host.send({ type: 'ping', id: 1 });
    expect(await agent.host.reply(1)).toEqual({ type: 'reply', id: 1, ok: true });
    // As many as may be under way, behind one that never ends.
    for (let id = 2; id < 18; id++) void agent.host.configure(id);
    agent.host.send({ type: 'report', id: 18 });
    expect(await agent.host.reply(18)).toMatchObject({ ok: false, error: '16 requests are under way' });
    agent.host.send({ type: 'ping', id: 19 });
    expect(await agent.host.reply(19)).toEqual({ type: 'reply', id: 19, ok: true });
  });

  it('logs what it was configured for under the call that led to it, without its secrets', async () => {
    const lines: unknown[] = [];
    await using agent = await startTestAgent({
      log: (message, fields) => lines.push({ message, ...fields }),
    });
    agent.host.send({
      type: 'configure',
      id: 2,
      requestId: 'req-12345678',
      identity: IDENTITY,
      token: TOKEN,
      display: null,
      seed: SEED,
      hostTimeMs: Date.now(),
    });
    expect((await agent.host.reply(2)).ok).toBe(true);
    expect(lines).toContainEqual({
      ...{ message: 'configured', requestId: 'req-12345678', vmId: IDENTITY.vmId, kind: 'cli' },
    });
    expect(JSON.stringify(lines)).not.toContain(TOKEN);
    expect(JSON.stringify(lines)).not.toContain(SEED);
  });

  it('survives torn, oversized and foreign lines, and answers them with hello', async () => {
    await using agent = await startTestAgent();
    agent.host.sendRaw('"the end of a torn line"}\n\n\0\xff\n[1]\n{}\n');
    agent.host.sendRaw(Buffer.alloc(3 * 1024 * 1024, 'x'));
    agent.host.sendRaw(Buffer.from([0x0a, 0xff, 0xfe, 0x0a]));
    expect((await agent.host.configure()).ok).toBe(true);
  });

  it('answers a request that it does not understand by its id', async () => {
    await using agent = await startConfiguredAgent();
    agent.host.send({ type: 'dance', id: 9 });
    expect(await agent.host.reply(9)).toMatchObject({ ok: false });
    agent.host.send({ type: 'configure', id: 10, token: 'short' });
    const { ok, error } = await agent.host.reply(10);
    expect(ok).toBe(false);
    expect(error).toContain('token');
    expect(error).not.toContain('short');
  });
});

describe('HTTP', () => {
  it('answers nobody before it is configured (F41)', async () => {
    await using agent = await startTestAgent();
    for (const path of ['/health', '/exec', '/nowhere'])
      expect(await problem(await agent.call(path))).toMatchObject({
        code: 'agent_not_configured',
        status: 503,
      });
  });

  it.each([
    ['none', {}],
    ['another', { authorization: 'Bearer another-token-of-at-least-32-chars' }],
    ['a longer one', { authorization: `Bearer ${TOKEN}x` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['an empty one', { authorization: 'Bearer ' }],
  ])('takes its host only: token %s (F41)', async (_name, headers) => {
    await using agent = await startConfiguredAgent();
    for (const path of ['/health', '/files?path=/etc/passwd', '/nowhere']) {
      const answer = await fetch(agent.url + path, { headers: headers as Record<string, string> });
      expect(await problem(answer)).toMatchObject({ code: 'unauthenticated', status: 401 });
    }
  });

  it('tells its health', async () => {
    await using agent = await startConfiguredAgent();
    const health = agentHealthSchema.parse(await (await agent.call('/health')).json());
    expect(health).toMatchObject({ status: 'ok', version: '0.1.0+test', vmId: IDENTITY.vmId });
  });

  it('names what is wrong with a request', async () => {
    await using agent = await startConfiguredAgent();
    expect(await problem(await agent.call('/nowhere'))).toMatchObject({ code: 'route_not_found' });
    const wrongMethod = await agent.call('/exec');
    expect(wrongMethod.headers.get('allow')).toBe('POST');
    expect(await problem(wrongMethod)).toMatchObject({ code: 'method_not_allowed' });
    const post = (body: string, type = 'application/json') =>
      agent.call('/exec', {
        method: 'POST',
        headers: { 'content-type': type, 'x-request-id': 'req-12345678' },
        body,
      });
    expect(await problem(await post('{'))).toMatchObject({ code: 'bad_request', requestId: 'req-12345678' });
    expect(await problem(await post('{"command":["a"],"shell":true}'))).toMatchObject({
      issues: [{ path: 'shell', message: 'is not a known key' }],
    });
    expect(await problem(await post('{"command":["a\\u0000b"]}'))).toMatchObject({
      issues: [{ path: 'command.0' }],
    });
    expect(await problem(await post('{"command":["a"],"env":{"A=B":"c"}}'))).toMatchObject({
      code: 'bad_request',
    });
    expect(await problem(await post('hello', 'text/plain'))).toMatchObject({
      code: 'unsupported_media_type',
    });
    expect(await problem(await post(' '.repeat(5 * 1024 * 1024)))).toMatchObject({ code: 'body_too_large' });
    expect(await problem(await agent.call('/exec/nonsense/signal', { method: 'POST' }))).toMatchObject({
      code: 'bad_request',
    });
    expect(
      await problem(await agent.call('/exec/ex-000000000000/stdin', { method: 'PUT', body: 'x' })),
    ).toMatchObject({ code: 'not_found' });
  });

  it('answers what is not HTTP with a problem', async () => {
    await using agent = await startConfiguredAgent();
    const socket = connect(Number(new URL(agent.url).port), '127.0.0.1');
    socket.end('\x16\x03\x01 garbage\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain('400 Bad Request');
    expect(text).toContain('"code":"bad_request"');
  });
});

describe('the display of a browser VM', () => {
  const geometry = { width: 1280, height: 720 };
  const configure = (display: GuestDisplay | null, id: number) => ({
    ...{
      type: 'configure',
      id,
      token: TOKEN,
      display,
      seed: SEED,
      caCertificates: [],
      hostTimeMs: Date.now(),
    },
    identity: { ...IDENTITY, kind: 'browser' },
  });

  it('has its password in force before it is probed, and probes begin anew with a new one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-display-'));
    const vncPasswordFile = join(folder, 'run', 'vnc.passwd');
    const probed: (GuestDisplay | null)[] = [];
    const found: string[] = [];
    const signals: AbortSignal[] = [];
    await using agent = await startTestAgent({
      vncPasswordFile,
      probesFor: (display) => {
        probed.push(display);
        return [
          {
            name: 'display',
            check: async (signal) => {
              signals.push(signal);
              found.push((await readFile(vncPasswordFile)).toString('hex'));
              return 'seen';
            },
          },
        ];
      },
    });
    const one = { geometry, vncPassword: 'first-01' };
    const two = { geometry, vncPassword: 'second02' };
    // The same again changes nothing, also while the first is under way.
    agent.host.send(configure(one, 1));
    agent.host.send(configure(one, 2));
    for (const id of [1, 2]) expect((await agent.host.reply(id)).ok).toBe(true);
    await expect.poll(() => found.length).toBe(1);
    expect((await stat(vncPasswordFile)).mode & 0o777).toBe(0o600);
    agent.host.send(configure(two, 3));
    expect((await agent.host.reply(3)).ok).toBe(true);
    await expect.poll(() => found.length).toBe(2);
    expect(probed).toEqual([one, two]);
    expect(found).toEqual(['first-01', 'second02'].map((word) => passwordFile(word).toString('hex')));
    expect(signals[0]?.aborted).toBe(true);
    expect(await readdir(dirname(vncPasswordFile))).toEqual(['vnc.passwd']);
    await rm(folder, { recursive: true });
  });

  it('is needed: without one the VM is not configured', async () => {
    await using agent = await startTestAgent();
    agent.host.send(configure(null, 1));
    const reply = await agent.host.reply(1);
    expect([reply.ok, reply.error]).toEqual([false, expect.stringContaining('display')]);
    expect((await agent.call('/health')).status).toBe(503);
  });
});
