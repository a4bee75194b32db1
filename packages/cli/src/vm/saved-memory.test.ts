import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toProblem, HearthError, vmSchema, type Vm } from '@hearth/contract';
import { afterEach, expect, test, vi } from 'vitest';
import { main } from '../program.ts';

const ID = 'vm-0123456789ab';
const FORK = 'vm-ba9876543210';

function vm(changes: Partial<Record<keyof Vm, unknown>> = {}): Vm {
  return vmSchema.parse({
    ...{ id: ID, userId: 'usr-000000000000', kind: 'cli', state: 'ready', version: 1 },
    ...{ cpus: 1, memMiB: 512, diskMiB: 512, desktop: null, ip: '10.77.0.9', imageId: null },
    ...{ createdAt: '2026-11-01T00:00:00.000Z', readyAt: null, deletedAt: null, origin: null },
    ...{ lastUsedAt: null, hibernatedAt: null, deletesAt: null, failure: null },
    timeline: timeline('2026-11-01T00:00:00.000Z'),
    ...changes,
  });
}

const timeline = (startedAt: string, ...marks: [string, number][]) => ({
  startedAt,
  phases: marks.map(([phase, atMs]) => ({ phase, atMs })),
});

const hibernated = {
  state: 'hibernated',
  ip: null,
  hibernatedAt: '2026-11-20T10:00:00.000Z',
  deletesAt: '2026-12-04T10:00:00.000Z',
};
const RESUMED = '2026-11-23T00:00:00.000Z';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closing.splice(0)) await close();
});

type Answers = Record<string, unknown>;

/** A controller that gives to each call the one answer that it has for it; an event stream gives its VMs one by one. */
async function controller(answers: Answers): Promise<{ asked: string[]; options: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const call = `${request.method ?? ''} ${request.url ?? ''}`;
      asked.push(`${call}${body === '' ? '' : ` ${body}`}`);
      const answer = answers[call];
      if (answer === undefined || answer instanceof HearthError) {
        const problem = toProblem(answer ?? new HearthError('route_not_found', call));
        response.writeHead(problem.status, { 'content-type': 'application/problem+json' });
        response.end(JSON.stringify(problem));
      } else if (call.endsWith('/events')) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const event of answer as Vm[])
          response.write(`data: ${JSON.stringify({ type: 'vm', vm: event })}\n\n`);
      } else response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = await mkdtemp(join(tmpdir(), 'hearth-cli-'));
  closing.push(
    () => server.closeAllConnections(),
    () => void server.close(),
    () => rm(folder, { recursive: true }),
  );
  await writeFile(join(folder, 'token'), 't0ken');
  const { port } = server.address() as AddressInfo;
  return { asked, options: ['--url', `http://127.0.0.1:${port}`, '--token-file', join(folder, 'token')] };
}

async function say(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => (said.out += String(text)) !== '');
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => (said.err += String(text)) !== '');
  const code = await main(words);
  vi.restoreAllMocks();
  return { code, ...said };
}

test('hibernate says until when the VM is kept', async () => {
  const { options } = await controller({ [`POST /api/vms/${ID}/hibernate`]: vm(hibernated) });
  const { code, out, err } = await say('vm', 'hibernate', ID, ...options);
  expect([code, out]).toEqual([0, `${ID} hibernated\n`]);
  expect(err).toContain('deleted on 2026-12-04T10:00:00.000Z unless it is resumed');
});

test('a VM that can’t be hibernated: why, where, and what to do', async () => {
  const { options } = await controller({
    [`POST /api/vms/${ID}/hibernate`]: new HearthError('not_hibernatable', `${ID} is of kind browser`),
  });
  const { code, out, err } = await say('vm', 'hibernate', ID, ...options);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(
    /error: The VM can’t be hibernated.*\n {2}where: controller.*\n {2}what to do: Only CLI VMs/,
  );
});

test('resume follows the new timeline from its begin and ends with the id alone on standard output', async () => {
  const starting = { state: 'starting', version: 2 };
  const { asked, options } = await controller({
    [`POST /api/vms/${ID}/resume`]: vm({ ...starting, timeline: timeline(RESUMED) }),
    [`GET /api/vms/${ID}/events`]: [
      vm({ ...starting, timeline: timeline('2026-11-01T00:00:00.000Z', ['vmm', 9], ['kernel', 99]) }),
      vm({ ...starting, timeline: timeline(RESUMED, ['vmm', 100], ['load', 300]) }),
      // A mark that comes late has its place by time.
      vm({
        ...{ version: 3, origin: 'hibernation' },
        timeline: timeline(RESUMED, ['vmm', 100], ['load', 300], ['ready', 900], ['resume', 310]),
      }),
    ],
  });
  const { code, out, err } = await say('vm', 'resume', ID, ...options);
  expect([code, out]).toEqual([0, `${ID}\n`]);
  expect(asked[0]).toBe(`POST /api/vms/${ID}/resume {"cold":false}`);
  const phases = [...err.matchAll(/^ {2}(\w+) +([\d.]+ m?s) · at/gm)].map(([, name, took]) => [name, took]);
  expect(phases.slice(-4)).toEqual([
    ['vmm', '100 ms'],
    ['load', '200 ms'],
    ['resume', '10 ms'],
    ['ready', '590 ms'],
  ]);
  expect(err).toContain('ready at 10.77.0.9 after 900 ms, from saved memory');
});

test('a resumption that ends hibernated again gives its cause and fails', async () => {
  const failure = {
    ...{ code: 'snapshot_invalid', title: 'The saved memory is damaged', layer: 'snapshot' },
    ...{ detail: 'state.bin: wrong checksum', hint: 'Boot it cold.', at: RESUMED },
  };
  const { options } = await controller({
    [`POST /api/vms/${ID}/resume`]: vm({ state: 'starting', timeline: timeline(RESUMED) }),
    [`GET /api/vms/${ID}/events`]: [
      vm({ state: 'starting', timeline: timeline(RESUMED, ['vmm', 80]) }),
      vm({ ...hibernated, failure, timeline: timeline(RESUMED, ['vmm', 80]) }),
    ],
  });
  const { code, out, err } = await say('vm', 'resume', ID, ...options);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('state.bin: wrong checksum');
  expect(err).toContain('where: snapshot');
});

test('resume --cold asks for the disk alone; --no-wait returns at once', async () => {
  const { asked, options } = await controller({
    [`POST /api/vms/${ID}/resume`]: vm({ state: 'starting' }),
  });
  const { code, out } = await say('vm', 'resume', ID, '--cold', '--no-wait', ...options);
  expect([code, out]).toEqual([0, `${ID}\n`]);
  expect(asked).toEqual([`POST /api/vms/${ID}/resume {"cold":true}`]);
});

test('fork follows the copy, not the VM that was copied', async () => {
  const { options } = await controller({
    [`POST /api/vms/${ID}/fork`]: vm({ id: FORK, state: 'starting' }),
    [`GET /api/vms/${FORK}/events`]: [vm({ id: FORK, origin: 'hibernation' })],
  });
  const { code, out } = await say('vm', 'fork', ID, ...options);
  expect([code, out]).toEqual([0, `${FORK}\n`]);
});

test('a warm VM is ready in the answer: it is said so, and nothing more is asked', async () => {
  const { asked, options } = await controller({
    'POST /api/vms': vm({ origin: 'snapshot', timeline: timeline(RESUMED, ['taken', 12], ['ready', 14]) }),
  });
  const { code, out, err } = await say('vm', 'create', '--kind', 'cli', ...options);
  expect([code, out]).toEqual([0, `${ID}\n`]);
  expect(err).toContain('after 14 ms, from a golden snapshot, and the warm pool');
  expect(asked).toEqual(['POST /api/vms {"kind":"cli"}']);
});

test('create --cold asks for a boot of the image', async () => {
  const { asked, options } = await controller({ 'POST /api/vms': vm() });
  await say('vm', 'create', '--kind', 'cli', '--cold', '--no-wait', ...options);
  expect(asked).toEqual(['POST /api/vms {"kind":"cli","start":"cold"}']);
});

test('ls --all tells warm VMs from those of people, and what becomes of hibernated ones', async () => {
  const { options } = await controller({
    'GET /api/me': { userId: 'usr-000000000000', name: 'ada', role: 'admin' },
    'GET /api/vms?all=true': { vms: [vm({ userId: null }), vm({ ...hibernated, id: FORK })] },
  });
  const { out } = await say('vm', 'ls', '--all', ...options);
  const [head, warm, sleeping] = out.split('\n');
  expect(head).toContain('OWNER');
  expect(warm).toMatch(/ready .* warm pool$/);
  expect(sleeping).toMatch(
    /hibernated .* usr-000000000000 {2}hibernated for \d+ \w+, deleted on 2026-12-04$/,
  );
});

test('snapshot ls and rm', async () => {
  const snapshot = {
    ...{ id: 'snp-0123456789ab', createdAt: RESUMED, kind: 'cli', cpus: 1, memMiB: 512, diskMiB: 512 },
    ...{ imageId: 'img-0123456789ab', bytes: 3 << 20, status: 'stale', detail: 'another VMM', clones: 2 },
  };
  const { options } = await controller({
    'GET /api/snapshots': { snapshots: [snapshot], making: 'making the golden snapshot of kind cli' },
    'DELETE /api/snapshots/snp-0123456789ab': new HearthError('snapshot_in_use', '2 VMs'),
  });
  const list = await say('snapshot', 'ls', ...options);
  expect(list.out).toMatch(/snp-0123456789ab {2}cli +stale .* 3\.0 MiB .* another VMM/);
  expect(list.err).toContain('making the golden snapshot');
  const removal = await say('snapshot', 'rm', 'snp-0123456789ab', ...options);
  expect(removal.code).toBe(1);
  expect(removal.err).toContain('Delete the VMs that were cloned from it first');
  const wrong = await say('snapshot', 'rm', '../x', ...options);
  expect(wrong.err).toContain('is not the id of a snapshot');
});
