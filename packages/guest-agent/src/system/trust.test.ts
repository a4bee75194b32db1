import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTrust } from './trust.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-trust-'));
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  await writeFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), 'own certificates\n');
});
afterEach(() => rm(root, { recursive: true }));

const read = (path: string) => readFile(join(root, path), 'utf8');
const everything = async () =>
  (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();

function certificate(name: string): string {
  return execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      '/dev/null',
    ].concat(['-days', '2', '-subj', `/CN=${name}`]),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString();
}

it('does nothing where there are none', async () => {
  const trust = createTrust(root);
  await trust.set([]);
  expect(await everything()).toEqual(['/etc/ssl/certs/ca-certificates.crt']);
  expect(trust.env).toEqual({});
});

it('adds them to the bundle once, to Node’s list, to the browser’s policy; takes them away again', async () => {
  const [one, other] = [certificate('one'), certificate('other')];
  const trust = createTrust(root);
  await trust.set([one, other]);
  await trust.set([one, other]);
  const bundle = await read('etc/ssl/certs/ca-certificates.crt');
  expect(bundle.startsWith('own certificates\n')).toBe(true);
  expect(bundle.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  expect(await read('usr/local/share/ca-certificates/hearth-2.crt')).toBe(other);
  expect(await read('etc/ssl/certs/hearth-extra.pem')).toBe(one + other);
  const policy = JSON.parse(await read('etc/chromium/policies/managed/hearth-ca.json')) as {
    CACertificates: string[];
  };
  expect(policy.CACertificates.map((der) => Buffer.from(der, 'base64')[0])).toEqual([0x30, 0x30]);
  expect(Object.keys(trust.env).sort()).toEqual([
    'NODE_EXTRA_CA_CERTS',
    'REQUESTS_CA_BUNDLE',
    'SSL_CERT_FILE',
  ]);
  // A clone of a snapshot that had them: another agent, or the same with nothing to trust.
  await createTrust(root).set([one]);
  expect((await everything()).filter((path) => path.includes('hearth-2'))).toEqual([]);
  await trust.set([]);
  expect(await everything()).toEqual(['/etc/ssl/certs/ca-certificates.crt']);
  expect(await read('etc/ssl/certs/ca-certificates.crt')).toBe('own certificates\n');
  expect(trust.env).toEqual({});
});

it('names what is no certificate, and changes nothing', async () => {
  const trust = createTrust(root);
  await expect(trust.set([certificate('one'), 'hello'])).rejects.toThrow(
    'caCertificates.1 is no certificate',
  );
  expect(await everything()).toEqual(['/etc/ssl/certs/ca-certificates.crt']);
});
