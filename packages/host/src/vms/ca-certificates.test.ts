import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readCaCertificates } from './ca-certificates.ts';

const runFile = promisify(execFile);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-ca-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function certificate(name: string, isCa: boolean): Promise<string> {
  const path = join(folder, name);
  await runFile('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', `/CN=${name}`, '-addext', `basicConstraints=critical,CA:${isCa ? 'TRUE' : 'FALSE'}`],
    ...['-keyout', join(folder, 'key'), '-out', path],
  ]);
  return path;
}

test('each certificate of a file is one, whatever stands around it', async () => {
  const [a, b] = [await certificate('a', true), await certificate('b', true)];
  const both = join(folder, 'both');
  await writeFile(both, `# ours\n${await readFile(a, 'utf8')}\n${await readFile(b, 'utf8')}`);
  expect(await readCaCertificates([both, a])).toHaveLength(3);
  expect(await readCaCertificates([])).toEqual([]);
});

test('what is none is refused by its key and file, before any VM is told', async () => {
  const leaf = await certificate('leaf', false);
  const text = join(folder, 'text');
  await writeFile(text, 'no certificate');
  const broken = join(folder, 'broken');
  await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  for (const [file, why] of [
    [leaf, 'no certificate authority'],
    [text, 'no certificate in PEM form'],
    [broken, 'damaged'],
    [join(folder, 'absent'), 'can’t be read'],
  ] as const)
    await expect(readCaCertificates([file])).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(new RegExp(`network\\.caCertificates\\.0.*${file}.*${why}`)) as string,
    });
});
