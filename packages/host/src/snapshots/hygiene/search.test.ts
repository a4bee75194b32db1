import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { snapshotPaths, type SnapshotPaths } from '../snapshot-store.ts';
import { parseNeedles } from './needles.ts';
import { secretPatterns } from './patterns.ts';
import { searchFile } from './search-file.ts';
import { searchGolden, type GoldenSearch } from './search-golden.ts';

const MIB = 1024 * 1024;
const { signal } = new AbortController();
const CONTROL = '0123456789abcdef0123456789abcdef';
const CANARY = 'canary-5f1d2c3b4a-9e8d7c6b5a-of-a-person';
let paths: SnapshotPaths;
beforeEach(async () => {
  paths = snapshotPaths(await mkdtemp(join(tmpdir(), 'hearth-hygiene-')));
  for (const path of [paths.memory, paths.upper]) {
    await writeFile(path, '');
    await truncate(path, 8 * MIB);
    await plant(path, 3 * MIB, CONTROL);
  }
  await writeFile(paths.state, 'QEVM');
});
afterEach(async () => {
  await rm(paths.folder, { recursive: true });
});

async function plant(path: string, offset: number, text: string, encoding: BufferEncoding = 'utf8') {
  await using file = await open(path, 'r+');
  await file.write(Buffer.from(text, encoding), 0, undefined, offset);
}

const search = (more: Partial<GoldenSearch> = {}) =>
  searchGolden({
    ...{ paths, needles: [CANARY], controls: [CONTROL], harmless: [], layers: [], signal },
    ...more,
  });

const body = (length: number) => 'aB3dE6gH9jK2mN5p'.repeat(20).slice(0, length);
const realLooking: Record<string, string> = {
  'Anthropic key or token': `sk-ant-api03-${body(93)}AA`,
  'OpenAI key': `sk-proj-${body(74)}T3BlbkFJ${body(74)}`,
  'Google API key': `AIza${body(35)}`,
  'Google access token': `ya29.${body(180)}`,
  'Google refresh token': `1//0${body(100)}`,
  'Google client secret': `GOCSPX-${body(28)}`,
  'GitHub token': `ghp_${body(36)}`,
  'AWS access key': `AKIAQWERTYUIOPASDFG2`,
  'AWS temporary key': `ASIAQWERTYUIOPASDFG2`,
  'JSON web token': `eyJ${body(40)}.eyJ${body(120)}.${body(43)}`,
  'private key': `-----BEGIN RSA PRIVATE KEY-----\n${body(64)}\n${body(64)}\n${body(64)}\n`,
  'Hearth token': `hth_${body(43)}`,
  'bearer header': `Bearer ${body(48)}`,
};

test('a clean snapshot passes, and its search says what it looked at', async () => {
  expect(await search()).toEqual({ bytes: expect.any(Number) as number, needles: 1, controls: 1 });
});

test('every kind of secret has an example here', () => {
  expect(new Set(secretPatterns.map(({ what }) => what))).toEqual(new Set(Object.keys(realLooking)));
});

test.each(Object.entries(realLooking))(
  '%s is found in UTF-8 and UTF-16, its value never told',
  async (what, secret) => {
    for (const encoding of ['utf8', 'utf16le'] as const) {
      await plant(paths.memory, 5 * MIB + 7, secret, encoding);
      const told: unknown = await search().then(
        () => null,
        (error: unknown) => error,
      );
      expect(told).toMatchObject({ code: 'snapshot_unclean' });
      expect(String(told)).toContain(what);
      expect(String(told)).toContain(paths.memory);
      expect(String(told)).not.toContain(body(16));
    }
  },
);

test('what a program writes about secrets is none', async () => {
  const words = [
    'sk-ant-api03-...',
    'Authorization: Bearer YOUR_ACCESS_TOKEN',
    '-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----',
    'AKIAIOSFODNN',
    'eyJhbGciOi',
    'https://ghp_example',
  ];
  await plant(paths.memory, 2 * MIB, words.join('\n'));
  await expect(search()).resolves.toBeDefined();
});

test.each([
  ['in the middle of a piece', 2.5 * MIB],
  ['across the border of two pieces', 4 * MIB - 11],
  ['at the very start', 0],
  ['at the very end', 8 * MIB - CANARY.length],
])('a known secret is found %s', async (_where, offset) => {
  await plant(paths.upper, offset, CANARY);
  const telling = new RegExp(`known secret in .*upper\\.ext4 at byte ${offset}(?!\\d)`);
  await expect(search()).rejects.toThrow(telling);
});

test('a known secret whose halves lie in different pages is found by each half', async () => {
  const middle = Math.floor(CANARY.length / 2);
  for (const [offset, half] of [
    [4096 - middle, CANARY.slice(0, middle)],
    [5 * MIB, CANARY.slice(middle)],
  ] as const) {
    await plant(paths.memory, offset, half);
    await expect(search()).rejects.toThrow(/known secret/);
    await plant(paths.memory, offset, '\0'.repeat(half.length));
  }
  await expect(search()).resolves.toBeDefined();
});

test('a known secret in the device state is found, in UTF-16 too', async () => {
  await plant(paths.state, 100, CANARY, 'utf16le');
  await expect(search()).rejects.toThrow(/known secret in .*state/);
});

test('a search that does not see what is surely there fails the build', async () => {
  await plant(paths.upper, 3 * MIB, 'x'.repeat(CONTROL.length));
  await expect(search()).rejects.toThrow(/blind: 1 of 1 values that must be in upper/);
});

test('what the image itself holds is not taken for a secret; a known secret is one wherever it is', async () => {
  const key = realLooking['Google API key'] ?? '';
  const layer = join(paths.folder, 'base.ext4');
  await writeFile(layer, `${'\0'.repeat(5000)}export GOOGLE_API_KEY="${key}" ${CANARY}`);
  await plant(paths.memory, 6 * MIB, key, 'utf16le');
  await expect(search()).rejects.toThrow(/Google API key/);
  await expect(search({ layers: [layer] })).resolves.toBeDefined();
  await plant(paths.memory, 7 * MIB, CANARY);
  await expect(search({ layers: [layer] })).rejects.toThrow(/known secret/);
});

test('the constants that the maker gave its VM are no secrets', async () => {
  const token = `public-${body(40)}`;
  await plant(paths.memory, 6 * MIB, `Authorization: Bearer ${token}\r\n`);
  await expect(search()).rejects.toThrow(/bearer header/);
  await expect(search({ harmless: [token] })).resolves.toBeDefined();
});

test('an end from outside ends the search', async () => {
  const plan = { patterns: [], needles: [], controls: [CONTROL] };
  await expect(searchFile(paths.memory, plan, AbortSignal.abort(new Error('enough')))).rejects.toThrow(
    /enough/,
  );
});

test('needles come one a line; blank lines count for nothing, too short ones are told', () => {
  expect(parseNeedles(`${CANARY}\r\n\n  ${CANARY}\nabc\n`)).toEqual({ needles: [CANARY], tooShort: 1 });
});
