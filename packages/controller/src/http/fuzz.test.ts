import { problemSchema } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestController, type TestController } from '../test-controller.ts';
import { makeTestWebApp } from '../test-web-app.ts';

let folder: string;
let host: FakeHost;
let api: TestController;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-fuzz-'));
  host = await startFakeHost(join(folder, 'host.sock'));
  const config = { controller: { rateLimit: { max: 100_000 } } };
  api = await startTestController(host.socketPath, config, {}, makeTestWebApp());
  token = await api.token('ana');
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await host.close();
  await rm(folder, { recursive: true });
});

const words = fc.constantFrom(
  'vms',
  'tokens',
  'me',
  'exec',
  'files',
  'console',
  'events',
  'session',
  'desktop',
  'ticket',
  'control',
  'rfb',
  'screenshot.png',
  'downloads',
  'vm-000000000000',
  '..',
  '%2e%2e',
  '',
);
const path = fc.array(fc.oneof(words, fc.string({ maxLength: 12 }).map(encodeURIComponent)), {
  maxLength: 4,
});
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH');
/** Bodies that look like ours, with values that don't. */
const body = fc.oneof(
  fc.json(),
  fc
    .record(
      {
        kind: fc.anything(),
        cpus: fc.anything(),
        memMiB: fc.anything(),
        command: fc.anything(),
        role: fc.anything(),
        user: fc.anything(),
        code: fc.anything(),
        mode: fc.anything(),
        viewerId: fc.anything(),
        action: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map((value) =>
      JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part)),
    ),
);

it('whatever is sent, the answer is ours: never a 500, every refusal a problem that names its layer', async () => {
  await fc.assert(
    fc.asyncProperty(method, path, body, async (verb, parts, text) => {
      const answer = await api.call(token, verb, `/api/${parts.join('/')}`, {
        ...(verb === 'GET' ? {} : { body: text, headers: { 'content-type': 'application/json' } }),
      });
      expect(answer.status).not.toBe(500);
      if (answer.status >= 400) problemSchema.parse(await answer.json());
      else await answer.body?.cancel();
    }),
    { numRuns: 300 },
  );
  expect(host.machines.list(), 'nothing was made by nonsense').toEqual([]);
}, 60_000);
