import {
  DESKTOP_PASSWORD_HEADER,
  DESKTOP_PROTOCOL,
  driftReportSchema,
  execEventSchema,
  fileWrittenSchema,
  folderSchema,
  goneVmSchema,
  hostCapacitySchema,
  hostEventSchema,
  hostHealthSchema,
  hostVmSchema,
  problemSchema,
  readEvents,
  snapshotListSchema,
  sweepReportSchema,
  whySchema,
  type DriftReport,
  type ExecEvent,
  type HostVm,
} from '@hearth/contract';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { Pool, type Dispatcher } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

/** A host daemon to be held to the contract: the fake, or a real one that no controller follows. */
export interface HostUnderTest {
  socketPath: string;
  close(): Promise<void>;
}

const ID = 'vm-000000000000';
const DESKTOP_ID = 'vm-000000000001';
const BROWSER_ID = 'vm-000000000001';
const SLEEPER_ID = 'vm-000000000002';
const COPY_ID = 'vm-000000000003';
const NAPLESS_ID = 'vm-000000000004';
const RESTARTED_ID = 'vm-000000000005';
/** For real VMs on a machine that has other things to do. */
const READY_TIMEOUT_MS = 300_000;
const POLL_MS = 50;
const SLEEP_TEST_TIMEOUT_MS = 4 * READY_TIMEOUT_MS;
const DOWNLOADS = '/home/hearth/Downloads';
/** `RFB 003.008` and a line feed: what a VNC server says first. */
const GREETING_BYTES = 12;
const listSchema = z.object({ vms: z.array(hostVmSchema) });

/** One suite for every implementation of contract/host-api.ts. */
export function describeHostContract(name: string, open: () => Promise<HostUnderTest>): void {
  describe(`${name} keeps to the contract of the host API`, () => {
    let host: HostUnderTest;
    let pool: Pool;
    beforeAll(async () => {
      host = await open();
      pool = new Pool('http://host', { socketPath: host.socketPath });
    });
    afterAll(async () => {
      await pool.destroy();
      await host.close();
    });

    const call = (
      method: Dispatcher.HttpMethod,
      path: string,
      body?: unknown,
    ): Promise<Dispatcher.ResponseData> =>
      pool.request({
        method,
        path,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
    const wanted = {
      kind: 'cli',
      cpus: 1,
      memMiB: 2048,
      diskMiB: 1024,
      desktop: null,
      requestedAtMs: Date.now(),
      requestId: 'request-1',
    };
    const create = async (): Promise<HostVm> => {
      const answer = await call('PUT', `/v1/vms/${ID}`, wanted);
      expect(answer.statusCode).toBe(202);
      return hostVmSchema.parse(await answer.body.json());
    };
    const problemOf = async (answer: Dispatcher.ResponseData): Promise<string> => {
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      return problemSchema.parse(await answer.body.json()).code;
    };
    const exec = async (command: string[], id = ID): Promise<ExecEvent[]> => {
      const answer = await call('POST', `/v1/vms/${id}/exec`, { command });
      expect(answer.statusCode).toBe(200);
      return Array.fromAsync(readEvents(answer.body, execEventSchema));
    };

    const show = async (id: string): Promise<HostVm> =>
      hostVmSchema.parse(await (await call('GET', `/v1/vms/${id}`)).body.json());
    const ready = async (id: string): Promise<HostVm> => {
      const deadline = performance.now() + READY_TIMEOUT_MS;
      for (;;) {
        const vm = await show(id);
        if (vm.state === 'ready') return vm;
        expect(['creating', 'booting'], vm.failure?.detail).toContain(vm.state);
        if (performance.now() > deadline)
          throw new Error(`${id} is ${vm.state} after ${READY_TIMEOUT_MS} ms`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    };
    const resume = (id: string, cold = false): Promise<Dispatcher.ResponseData> =>
      call('POST', `/v1/vms/${id}/resume`, { cold, requestedAtMs: Date.now(), requestId: 'request-2' });

    const pathQuery = (name: string): string => `path=${encodeURIComponent(name)}`;
    const drop = async (name: string, content: string): Promise<string> => {
      const answer = await pool.request({
        method: 'PUT',
        path: `/v1/vms/${ID}/files?${pathQuery(`${DOWNLOADS}/${name}`)}&conflict=rename`,
        headers: { 'content-type': 'application/octet-stream' },
        body: content,
      });
      expect(answer.statusCode).toBe(200);
      return fileWrittenSchema.parse(await answer.body.json()).path;
    };
    const checkFiles = async (): Promise<void> => {
      const folder = (path: string) => call('GET', `/v1/vms/${ID}/folders?${pathQuery(path)}`);
      expect(folderSchema.parse(await (await folder(DOWNLOADS)).body.json()).entries).toEqual([]);
      // A file that is there is kept; the answer tells under which name the new one is.
      expect(await drop('a file.txt', 'first')).toBe(`${DOWNLOADS}/a file.txt`);
      expect(await drop('a file.txt', 'second one')).toBe(`${DOWNLOADS}/a file (1).txt`);
      const read = await call('GET', `/v1/vms/${ID}/files?${pathQuery(`${DOWNLOADS}/a file.txt`)}`);
      expect(await read.body.text()).toBe('first');
      const listed = folderSchema.parse(await (await folder(DOWNLOADS)).body.json());
      expect(listed.entries.map(({ name, kind, bytes }) => [name, kind, bytes])).toEqual([
        ['a file (1).txt', 'file', 10],
        ['a file.txt', 'file', 5],
      ]);
      expect(listed.truncated).toBe(false);
      expect(await problemOf(await folder('/no/such/folder'))).toBe('file_not_found');
      expect(await problemOf(await folder(`${DOWNLOADS}/a file.txt`))).toBe('file_failed');
      expect(await problemOf(await folder('relative'))).toBe('bad_request');
    };

    it('tells health and capacity', async () => {
      hostHealthSchema.parse(await (await call('GET', '/v1/health')).body.json());
      hostCapacitySchema.parse(await (await call('GET', '/v1/capacity')).body.json());
    });

    it('refuses what the contract does not know', async () => {
      expect(await problemOf(await call('PUT', `/v1/vms/${ID}`, { ...wanted, colour: 'red' }))).toBe(
        'bad_request',
      );
      expect(await problemOf(await call('PUT', '/v1/vms/1', wanted))).toBe('bad_request');
      expect(await problemOf(await call('GET', '/v1/nothing'))).toBe('route_not_found');
      expect(await problemOf(await call('GET', `/v1/vms/${ID}`))).toBe('not_found');
      expect(await problemOf(await call('GET', `/v1/vms/${ID}/console`))).toBe('not_found');
    });

    it('gives a desktop to browser VMs only, and tells its size as it was asked for', async () => {
      const desktop = { width: 1024, height: 768 };
      const browser = { ...wanted, kind: 'browser' };
      expect(await problemOf(await call('PUT', `/v1/vms/${BROWSER_ID}`, browser))).toBe('bad_request');
      expect(await problemOf(await call('PUT', `/v1/vms/${BROWSER_ID}`, { ...wanted, desktop }))).toBe(
        'bad_request',
      );
      const answer = await call('PUT', `/v1/vms/${BROWSER_ID}`, { ...browser, desktop });
      expect(hostVmSchema.parse(await answer.body.json()).desktop).toEqual(desktop);
      expect((await call('DELETE', `/v1/vms/${BROWSER_ID}`)).statusCode).toBe(200);
    });

    it('makes a VM once for an id, runs commands in it, and tells every change until it is gone', async () => {
      await create();
      await create();
      expect(listSchema.parse(await (await call('GET', '/v1/vms')).body.json()).vms).toHaveLength(1);
      expect(await problemOf(await call('POST', `/v1/vms/${ID}/exec`, { command: ['echo'] }))).toBe(
        'vm_not_ready',
      );

      const events = await call('GET', '/v1/events');
      const seen: HostVm[] = [];
      let executed: ExecEvent[] = [];
      let failed: ExecEvent[] = [];
      for await (const event of readEvents(events.body, hostEventSchema)) {
        if (event.type !== 'vm') continue;
        const before = seen.at(-1);
        seen.push(event.vm);
        expect(event.vm.state, event.vm.failure?.detail).not.toBe('failed');
        if (event.vm.state === 'ready' && before?.state !== 'ready') {
          executed = await exec(['echo', 'hello']);
          failed = await exec(['nothing-of-this-name']);
          await checkFiles();
          const gone = goneVmSchema.parse(await (await call('DELETE', `/v1/vms/${ID}`)).body.json());
          expect(gone.id).toBe(ID);
        }
        if (event.vm.state === 'gone') break;
      }
      const states = seen.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1]);
      expect(['creating', 'booting', 'ready', 'deleting', 'gone'].join()).toContain(states.join());
      const versions = seen.map(({ version }) => version);
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
      expect(new Set(versions).size).toBe(versions.length);

      expect(executed.map(({ type }) => type)).toEqual(['started', 'stdout', 'exit']);
      expect(executed[1]).toMatchObject({ dataBase64: Buffer.from('hello\n').toString('base64') });
      expect(executed[2]).toMatchObject({ exitCode: 0 });
      expect(failed.at(-1)).toMatchObject({ type: 'error', problem: { code: 'exec_failed' } });
    });

    it('opens the desktop of a ready browser VM to the bytes of its VNC server, and refuses it of others', async () => {
      expect(await upgrade(host.socketPath, ID)).toEqual({ code: 'not_found' });

      const desktop = { width: 1024, height: 768 };
      const body = { ...wanted, kind: 'browser', desktop };
      expect((await call('PUT', `/v1/vms/${DESKTOP_ID}`, body)).statusCode).toBe(202);
      expect(await upgrade(host.socketPath, DESKTOP_ID)).toEqual({ code: 'vm_not_ready' });
      const events = await call('GET', '/v1/events');
      for await (const event of readEvents(events.body, hostEventSchema)) {
        if (event.type !== 'vm' || event.vm.id !== DESKTOP_ID) continue;
        expect(event.vm.state, event.vm.failure?.detail).not.toBe('failed');
        if (event.vm.state === 'ready') break;
      }
      expect(await problemOf(await call('GET', `/v1/vms/${DESKTOP_ID}/desktop`))).toBe('bad_request');
      const opened = await upgrade(host.socketPath, DESKTOP_ID);
      expect(opened).toEqual({
        greeting: 'RFB 003.008\n',
        password: expect.stringMatching(/^.{8}$/) as string,
      });
      expect((await call('DELETE', `/v1/vms/${DESKTOP_ID}`)).statusCode).toBe(200);
      expect(await upgrade(host.socketPath, DESKTOP_ID)).toEqual({ code: 'not_found' });
    });

    it(
      'F44: hibernates a CLI VM, resumes it, and copies it to another VM',
      { timeout: SLEEP_TEST_TIMEOUT_MS },
      async () => {
        expect((await call('PUT', `/v1/vms/${SLEEPER_ID}`, wanted)).statusCode).toBe(202);
        const before = await ready(SLEEPER_ID);
        const hibernated = await call('POST', `/v1/vms/${SLEEPER_ID}/hibernate`);
        expect(hibernated.statusCode).toBe(200);
        expect(hostVmSchema.parse(await hibernated.body.json())).toMatchObject({
          ...{ state: 'hibernated', address: null, phases: [], failure: null },
        });
        expect(listSchema.parse(await (await call('GET', '/v1/vms')).body.json()).vms).toMatchObject([
          { id: SLEEPER_ID, state: 'hibernated' },
        ]);
        const refused = await call('POST', `/v1/vms/${SLEEPER_ID}/exec`, { command: ['echo'] });
        expect(['vm_hibernated', 'vm_not_ready']).toContain(await problemOf(refused));

        const resumed = await resume(SLEEPER_ID);
        expect(resumed.statusCode).toBe(202);
        await resumed.body.text();
        const after = await ready(SLEEPER_ID);
        expect(after).toMatchObject({ origin: 'hibernation', failure: null });
        expect(after.address?.hostname).toBe(before.address?.hostname);
        expect(after.address?.machineId).toBe(before.address?.machineId);
        expect(after.version).toBeGreaterThan(before.version);
        expect((await exec(['echo', 'awake'], SLEEPER_ID)).at(-1)).toMatchObject({ exitCode: 0 });

        const forked = await call('PUT', `/v1/vms/${COPY_ID}`, { ...wanted, forkOf: SLEEPER_ID });
        expect(forked.statusCode).toBe(202);
        await forked.body.text();
        const copy = await ready(COPY_ID);
        expect(copy.origin).toBe('hibernation');
        for (const what of ['ip', 'mac', 'tap', 'hostname', 'machineId'] as const)
          expect(copy.address?.[what], what).not.toBe(after.address?.[what]);
        expect((await exec(['echo', 'copied'], COPY_ID)).at(-1)).toMatchObject({ exitCode: 0 });
        expect((await show(SLEEPER_ID)).state).toBe('ready');

        for (const id of [SLEEPER_ID, COPY_ID])
          expect((await call('DELETE', `/v1/vms/${id}`)).statusCode).toBe(200);
      },
    );

    it('hibernates no browser VM and none that it does not know, and lists its snapshots', async () => {
      expect(await problemOf(await call('POST', `/v1/vms/${NAPLESS_ID}/hibernate`))).toBe('not_found');
      expect(await problemOf(await resume(NAPLESS_ID))).toBe('not_found');
      const unknown = { ...wanted, forkOf: COPY_ID };
      expect(await problemOf(await call('PUT', `/v1/vms/${NAPLESS_ID}`, unknown))).toBe('not_found');
      const browser = { ...wanted, kind: 'browser', desktop: { width: 1024, height: 768 } };
      expect((await call('PUT', `/v1/vms/${NAPLESS_ID}`, browser)).statusCode).toBe(202);
      expect(await problemOf(await call('POST', `/v1/vms/${NAPLESS_ID}/hibernate`))).toBe('not_hibernatable');
      expect(await problemOf(await call('POST', `/v1/vms/${NAPLESS_ID}/resume`, {}))).toBe('bad_request');
      expect((await call('DELETE', `/v1/vms/${NAPLESS_ID}`)).statusCode).toBe(200);
      snapshotListSchema.parse(await (await call('GET', '/v1/snapshots')).body.json());
      expect(await problemOf(await call('DELETE', '/v1/snapshots/snp-000000000000'))).toBe('not_found');
      expect(await problemOf(await call('DELETE', '/v1/snapshots/1'))).toBe('bad_request');
    });

    it('restarts a CLI VM from its disk, no browser VM, and none that it does not know', async () => {
      const restart = (id: string): Promise<Dispatcher.ResponseData> =>
        call('POST', `/v1/vms/${id}/restart`, { requestedAtMs: Date.now(), requestId: 'request-3' });
      expect(await problemOf(await restart(RESTARTED_ID))).toBe('not_found');
      const browser = { ...wanted, kind: 'browser', desktop: { width: 1024, height: 768 } };
      expect((await call('PUT', `/v1/vms/${RESTARTED_ID}`, browser)).statusCode).toBe(202);
      expect(await problemOf(await restart(RESTARTED_ID))).toBe('conflict');
      expect(await problemOf(await call('POST', `/v1/vms/${RESTARTED_ID}/restart`, {}))).toBe('bad_request');
      expect((await call('DELETE', `/v1/vms/${RESTARTED_ID}`)).statusCode).toBe(200);
    });

    it('tells what is wrong with a VM, and of one it does not know that it knows nothing', async () => {
      expect(await problemOf(await call('GET', `/v1/vms/${RESTARTED_ID}/why?stored=true`))).toBe('not_found');
      expect((await call('PUT', `/v1/vms/${RESTARTED_ID}`, wanted)).statusCode).toBe(202);
      const told = await call('GET', `/v1/vms/${RESTARTED_ID}/why`);
      expect(told.statusCode).toBe(200);
      const why = whySchema.parse(await told.body.json());
      expect(why).toMatchObject({ vmId: RESTARTED_ID, trigger: 'asked' });
      expect(why.checks.at(0)?.name).toBe('record');
      expect((await call('DELETE', `/v1/vms/${RESTARTED_ID}`)).statusCode).toBe(200);
    });

    it('takes no VM while it drains', async () => {
      const drain = async (draining: boolean): Promise<unknown> =>
        (await call('PUT', '/v1/drain', { draining })).body.json();
      const drains = async (): Promise<unknown> => (await call('GET', '/v1/drain')).body.json();
      expect(await problemOf(await call('PUT', '/v1/drain', { draining: 'yes' }))).toBe('bad_request');
      expect(await drain(true)).toEqual({ draining: true });
      expect(await drains()).toEqual({ draining: true });
      expect(await problemOf(await call('PUT', `/v1/vms/${NAPLESS_ID}`, wanted))).toBe('host_draining');
      expect(await problemOf(await call('GET', `/v1/vms/${NAPLESS_ID}`))).toBe('not_found');
      expect(await drain(false)).toEqual({ draining: false });
      expect(await drains()).toEqual({ draining: false });
    });

    it('tells what has no record without touching it, what drifted, and its metrics', async () => {
      const swept = sweepReportSchema.parse(
        await (await call('POST', '/v1/sweep', { dryRun: true })).body.json(),
      );
      expect(swept.dryRun).toBe(true);
      expect(swept.leftovers.map(({ removed }) => removed)).toEqual(swept.leftovers.map(() => null));
      expect(await problemOf(await call('POST', '/v1/sweep', { dryrun: true }))).toBe('bad_request');
      const drift = async (query: string): Promise<DriftReport> =>
        driftReportSchema.parse(await (await call('GET', `/v1/drift${query}`)).body.json());
      const before = await drift('?now=true');
      // A real host also makes them by itself.
      expect((await drift('')).passes).toBeGreaterThanOrEqual(before.passes);
      expect((await drift('?now=true')).passes).toBeGreaterThan(before.passes);
      const metrics = await call('GET', '/v1/metrics');
      expect([metrics.statusCode, metrics.headers['content-type']]).toEqual([
        200,
        expect.stringMatching(/^text\/plain/),
      ]);
      expect(await metrics.body.text()).toMatch(/^hearth_\w+(\{.*\})? \d/m);
    });

    it('keeps the console of a VM that is gone, and takes a second removal', async () => {
      const text = await call('GET', `/v1/vms/${ID}/console`);
      expect([text.statusCode, text.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
      await text.body.text();
      const again = await call('DELETE', `/v1/vms/${ID}`);
      expect([again.statusCode, goneVmSchema.parse(await again.body.json()).state]).toEqual([200, 'gone']);
      expect(await problemOf(await call('GET', `/v1/vms/${ID}`))).toBe('not_found');
    });
  });
}

/** Asks for a desktop: its first bytes and the password, or the code of the problem. */
async function upgrade(
  socketPath: string,
  id: string,
): Promise<{ code: string } | { greeting: string; password: unknown }> {
  const outcome = Promise.withResolvers<{ code: string } | { greeting: string; password: unknown }>();
  const asked = request({
    socketPath,
    path: `/v1/vms/${id}/desktop`,
    headers: { connection: 'Upgrade', upgrade: DESKTOP_PROTOCOL },
  });
  asked.on('error', outcome.reject);
  asked.on('response', (answer) => {
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    json(answer).then((body) => {
      outcome.resolve({ code: problemSchema.parse(body).code });
    }, outcome.reject);
  });
  asked.on('upgrade', (answer, socket, head: Buffer) => {
    expect(answer.statusCode).toBe(101);
    const password = answer.headers[DESKTOP_PASSWORD_HEADER];
    let greeting = '';
    const read = (chunk: Buffer): void => {
      greeting += chunk.toString('latin1');
      if (greeting.length < GREETING_BYTES) return;
      socket.destroy();
      outcome.resolve({ greeting, password });
    };
    read(head);
    socket.on('data', read).on('error', outcome.reject);
  });
  asked.end();
  return outcome.promise;
}
