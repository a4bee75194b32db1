import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { HearthError, parseConfig, Secret, startProgress, withAbort, type Progress } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunningVmm } from '../vmm/vmm.ts';
import { vmPaths } from '../vms/vm-paths.ts';
import { createDiagnosis, type DiagnosisOptions, type DiagnosisSubject } from './diagnose.ts';
import { looks, type Looks } from './look/looks.ts';
import { lookAtConsole } from './look/read-console-tail.ts';
import { lookAtDisplay } from './look/look-at-display.ts';
import { reachPort } from './look/reach.ts';
import { healthOf, ID, NOW_MS, plan, recordOf, reportOf, sightOf, VERSION } from './test-evidence.ts';
import { createWhyStore } from './why-store.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-why-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const TOKEN = 'fake-token-of-a-test-NOT-A-TOKEN';
const never = <T>(progress: Progress): Promise<T> =>
  withAbort(new Promise<T>(() => undefined), progress.signal);
const progress = (timeoutMs = 2000) => startProgress({ what: 'test', timeoutMs });

async function world(
  console = '',
): Promise<{ subject: DiagnosisSubject; options: DiagnosisOptions; see: Looks }> {
  const config = parseConfig({ stateDir: join(folder, 'state'), runDir: join(folder, 'run') }, {});
  const paths = vmPaths(config, ID);
  for (const path of [paths.upper, paths.console.logPath, paths.console.indexPath])
    await mkdir(dirname(path), { recursive: true });
  await writeFile(paths.upper, '');
  await writeFile(paths.console.logPath, console);
  const vmm = {
    process: { pid: 4242, startTicks: 1 },
    inspect: () => Promise.resolve({ status: 'running', running: true, guestHasControl: true }),
  } as unknown as RunningVmm;
  const see: Looks = {
    ...looks,
    process: () => Promise.resolve({ pid: 4242, state: 'S', commandLine: `qemu hearth-${ID}` }),
    reach: () => Promise.resolve({ outcome: 'accepted', detail: 'accepted' }),
    freeMiB: () => Promise.resolve(50_000),
  };
  const subject: DiagnosisSubject = {
    ...{ record: recordOf('cli'), paths, vmm, lastFault: null, controlOpen: true, vncPassword: null },
    manifest: { agent: { version: VERSION } } as DiagnosisSubject['manifest'],
    endpoint: { ip: '192.0.2.1', token: new Secret(TOKEN) },
    words: { helloVersion: VERSION, configured: true, ip: null, services: [] },
    ask: ({ type }) => Promise.resolve(type === 'report' ? reportOf('cli') : null),
  };
  const options: DiagnosisOptions = {
    ...{ config, plan, see, now: () => NOW_MS, log: () => undefined },
    network: { sight: () => Promise.resolve(sightOf()) },
    book: { list: () => [] },
    agents: { health: () => Promise.resolve(healthOf('cli')) },
  };
  return { subject, options, see };
}
const quiet = () => new AbortController().signal;

test('F47: a VM that is well is found healthy, from gathered evidence', async () => {
  const { subject, options } = await world();
  const why = await createDiagnosis(options).diagnose(subject, 'asked', quiet());
  expect(why).toMatchObject({ vmId: ID, verdict: 'healthy', finding: null });
});

test('what throws leaves its checks unknown, and the others are made', async () => {
  const { subject, options, see } = await world();
  const fail = () => Promise.reject(new Error('planted'));
  const why = await createDiagnosis({
    ...options,
    network: { sight: fail },
    see: { ...see, console: fail, freeMiB: fail, reach: fail },
    slowness: fail,
  }).diagnose(subject, 'asked', quiet());
  const unknown = why.checks.filter(({ status }) => status === 'unknown').map(({ name }) => name);
  expect(unknown).toEqual(expect.arrayContaining(['disk', 'console', 'tap', 'firewall', 'agent']));
  expect(why.checks.find(({ name }) => name === 'guest')?.status).toBe('ok');
});

test('who answers nobody is waited for until the deadlines, and named', { timeout: 30_000 }, async () => {
  const { subject, options } = await world();
  const silent = { ...subject, ask: (_message: unknown, within: Progress) => never<unknown>(within) };
  const agents = { health: (_endpoint: unknown, within: Progress) => never<never>(within) };
  const why = await createDiagnosis({ ...options, agents }).diagnose(silent, 'unhealthy', quiet());
  expect(why.finding?.cause).toBe('agent_hung');
});

test('behind a VMM that is stopped nobody is asked', async () => {
  const { subject, options, see } = await world();
  const asked: string[] = [];
  const why = await createDiagnosis({
    ...options,
    see: { ...see, process: () => Promise.resolve({ pid: 4242, state: 'T', commandLine: ID }) },
  }).diagnose({ ...subject, ask: (message) => Promise.resolve(asked.push(message.type)) }, 'asked', quiet());
  expect(why.finding?.cause).toBe('vmm_stopped');
  expect(asked).toEqual([]);
});

test('where nobody in the guest has its end of the control channel open, nobody is asked there', async () => {
  const { subject, options } = await world();
  const asked: string[] = [];
  const sight = { status: 'running', running: true, guestHasControl: false };
  const vmm = { ...subject.vmm, inspect: () => Promise.resolve(sight) } as unknown as RunningVmm;
  const ask = (message: { type: string }) => Promise.resolve(asked.push(message.type));
  const why = await createDiagnosis(options).diagnose({ ...subject, vmm, ask }, 'asked', quiet());
  expect(why.finding?.cause).toBe('control_channel_closed');
  expect(asked).toEqual([]);
});

test('a caller that goes away ends it', async () => {
  const { subject, options } = await world();
  const gone = new AbortController();
  const silent = { ...subject, ask: (_message: unknown, within: Progress) => never<unknown>(within) };
  const asked = createDiagnosis(options).diagnose(silent, 'asked', gone.signal);
  gone.abort(new HearthError('aborted', 'planted'));
  await expect(asked).rejects.toMatchObject({ code: 'aborted' });
});

test('a guest that sends what is no report, or prints its token, gives away nothing', async () => {
  const { subject, options } = await world(`hearth-unit: hearth-agent.service ended signal ${TOKEN}\n`);
  const why = await createDiagnosis(options).diagnose(
    { ...subject, ask: ({ type }) => Promise.resolve(type === 'report' ? { token: TOKEN } : null) },
    'asked',
    quiet(),
  );
  expect(why.checks.find(({ name }) => name === 'guest')?.status).toBe('unknown');
  expect(why.checks.find(({ name }) => name === 'console')?.evidence.join()).toContain('[redacted]');
  expect(JSON.stringify(why)).not.toContain(TOKEN);
});

test('the console’s end is read, and what was seen before this start belongs to another', async () => {
  const { subject } = await world();
  const { logPath, indexPath } = subject.paths.console;
  const old = 'Kernel panic - not syncing: old\n';
  const filler = 'x'.repeat(79) + '\n';
  const fresh =
    'hearth-error: no disk\n[    9.1] hearth-agent[7]: hearth-unit: hearth-agent.service ended signal killed KILL\n';
  const text = filler.repeat(2000) + old + fresh;
  await writeFile(logPath, text);
  const at = filler.length * 2000;
  await writeFile(
    indexPath,
    `0 1000 ${at}\n${at} 2000 ${old.length}\n${at + old.length} 3000 ${fresh.length}\n`,
  );
  expect(await lookAtConsole(subject.paths.console, 2500)).toMatchObject({
    panic: null,
    initramfs: { text: 'hearth-error: no disk', atMs: 3000 },
    agent: { state: 'crashed' },
  });
  expect((await lookAtConsole(subject.paths.console, 0))?.panic?.atMs).toBe(2000);
  await rm(logPath);
  expect(await lookAtConsole(subject.paths.console, 0)).toBeNull();
});

test('a port that refuses is told from one that takes connections', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined));
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => resolve(undefined));
  await promise;
  const { port } = server.address() as { port: number };
  expect(await reachPort('127.0.0.1', port, progress())).toMatchObject({ outcome: 'accepted' });
  // It takes the connection and says nothing: no display.
  const password = new Secret('fakepass');
  await expect(lookAtDisplay('127.0.0.1', port, password, progress(100))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  server.close();
  expect(await reachPort('127.0.0.1', port, progress())).toMatchObject({ outcome: 'refused' });
  await expect(lookAtDisplay('127.0.0.1', port, password, progress())).rejects.toMatchObject({
    code: 'desktop_unreachable',
  });
});

test('what hangs up in the middle of RFB is no display', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).end('RFB 003.008\n'));
  const { promise, resolve } = Promise.withResolvers<undefined>();
  server.listen(0, '127.0.0.1', () => resolve(undefined));
  await promise;
  const { port } = server.address() as { port: number };
  await expect(lookAtDisplay('127.0.0.1', port, new Secret('fakepass'), progress())).rejects.toThrow(
    /hung up|EPIPE|ECONNRESET/,
  );
  server.close();
});

test('the last diagnosis is kept with the console; nothing was kept of another', async () => {
  const { subject, options } = await world();
  const store = createWhyStore(options.config);
  expect(await store.find(ID)).toBeNull();
  const why = await createDiagnosis(options).diagnose(subject, 'unhealthy', quiet());
  await store.keep(why);
  await store.keep({ ...why, summary: 'another' });
  expect(await store.find(ID)).toEqual({ ...why, summary: 'another' });
  await writeFile(join(subject.paths.consoleFolder, 'why.json'), '{');
  await expect(store.find(ID)).rejects.toThrow(/why\.json/);
});
