import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { providers } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig, readEnvironment } from '../config.ts';
import { connect, readSecretFile } from './connection.ts';
import { readServerSentEvents } from './server-sent-events.ts';
import { vmEventSchema } from '@hearth/contract';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-connection-'));
});
afterEach(() => rm(folder, { recursive: true }));

const environment = (more: Record<string, string> = {}) =>
  readEnvironment({ HEARTH_STATE_DIR: folder, ...more });

test('the address: option, then environment, then configuration', async () => {
  const more = { HEARTH_TOKEN: 'x', HEARTH_PORT: '4100' };
  const origin = async (options: object, url?: string) =>
    (await connect(options, environment({ ...more, ...(url === undefined ? {} : { HEARTH_URL: url }) })))
      .origin;
  expect(await origin({})).toBe('http://127.0.0.1:4100');
  expect(await origin({}, 'http://10.0.0.1:1')).toBe('http://10.0.0.1:1');
  expect(await origin({ url: 'https://hearth.example' }, 'http://10.0.0.1:1')).toBe('https://hearth.example');
  await expect(origin({ url: 'localhost:4000' })).rejects.toThrow(/not an address/);
});

test('without any token: Hearth was never started here', async () => {
  await expect(connect({}, environment())).rejects.toMatchObject({ code: 'controller_unreachable' });
});

test('a secret file holds one word, and a bad one is named without its content', async () => {
  const path = join(folder, 'key');
  await writeFile(path, ' sk-1 \n');
  expect((await readSecretFile(path, '--api-key-file')).reveal()).toBe('sk-1');
  expect(String(await readSecretFile(path, '--api-key-file'))).toBe('[redacted]');
  await writeFile(path, '\n');
  await expect(readSecretFile(path, '--api-key-file')).rejects.toThrow(/is empty/);
  await writeFile(path, 'sk-secret and more');
  await expect(readSecretFile(path, '--api-key-file')).rejects.toThrow(/^(?!.*sk-secret)/);
  await expect(readSecretFile(join(folder, 'none'), '--api-key-file')).rejects.toThrow(/--api-key-file/);
});

test('F5: a misspelt variable and a broken file are named', async () => {
  await expect(loadConfig(undefined, environment({ HEARTH_PROT: '1' }))).rejects.toThrow(/HEARTH_PROT/);
  const path = join(folder, 'c.json');
  await writeFile(path, '{');
  await expect(loadConfig(path, environment())).rejects.toThrow(/is not JSON/);
  await expect(loadConfig(join(folder, 'none.json'), environment())).rejects.toThrow(/cannot be read/);
});

test('keys and base URLs come from the variables that the provider names', () => {
  const env = readEnvironment({ ANTHROPIC_API_KEY: ' k ', ANTHROPIC_BASE_URL: 'http://x', CI: 'false' });
  expect(env.apiKey(providers.claude_code)?.reveal()).toBe('k');
  expect(env.baseUrl(providers.claude_code)).toBe('http://x');
  expect(env.ci).toBe(false);
});

test('events are read out of an event stream; comments and names are no events', async () => {
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(': beat\n\nid: 1\nevent: vm\ndata: {"type":"vm"');
    yield Buffer.from('}\n\n');
  }
  const first = readServerSentEvents(stream(), vmEventSchema).next();
  await expect(first).rejects.toThrow(/vm: /);
});
