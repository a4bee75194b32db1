import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { expect, test } from 'vitest';
import {
  formatSources,
  mirrorSources,
  parseDeb822,
  parseOneLine,
  pickSources,
  readHostSources,
} from './apt-sources.ts';

const BOOKWORM = { suite: 'bookworm', pockets: ['', '-updates', '-security'], components: ['main'] };
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

test('one-line sources: options, comments and deb-src', () => {
  const text = [
    '# deb http://old.example/debian bookworm main',
    'deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://archive.example/debian bookworm main contrib # ours',
    'deb-src http://archive.example/debian bookworm main',
    '  deb http://archive.example/debian bookworm-updates main',
  ].join('\n');
  expect(parseOneLine(text)).toEqual([
    {
      uri: 'http://archive.example/debian',
      suite: 'bookworm',
      components: ['main', 'contrib'],
      signedBy: KEYRING,
    },
    { uri: 'http://archive.example/debian', suite: 'bookworm-updates', components: ['main'] },
  ]);
});

test('deb822 sources: several suites, comments inside a stanza, continuation lines, disabled stanzas, inline keys', () => {
  const text = `Types: deb deb-src
# a comment
URIs: http://archive.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: ${KEYRING}

Types: deb
URIs: http://other.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
`;
  expect(parseDeb822(text)).toEqual([
    { uri: 'http://archive.example/debian', suite: 'bookworm', components: ['main'], signedBy: KEYRING },
    {
      uri: 'http://archive.example/debian',
      suite: 'bookworm-updates',
      components: ['main'],
      signedBy: KEYRING,
    },
    { uri: 'http://archive.example/debian-security', suite: 'bookworm-security', components: ['main'] },
  ]);
});

test('third parties stay out of the image, even where they serve `bookworm main`', () => {
  const own = { uri: 'http://archive.example/debian', suite: 'bookworm', components: ['main', 'contrib'] };
  const sources = [
    { ...own, suite: 'bookworm-security', uri: 'http://archive.example/debian-security/' },
    own,
    { ...own, uri: 'http://archive.example/debian/' },
    { uri: 'https://php.example/php', suite: 'bookworm', components: ['main'] },
    {
      uri: 'https://php.example/debian',
      suite: 'bookworm',
      components: ['main'],
      signedBy: '/etc/apt/keyrings/php.gpg',
    },
    { uri: 'https://docker.example/linux/debian', suite: 'bookworm', components: ['stable'] },
    { uri: 'https://node.example', suite: 'nodistro', components: ['main'] },
    { ...own, suite: 'trixie' },
  ];
  const picked = pickSources(sources, BOOKWORM);
  expect(picked.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
    'http://archive.example/debian bookworm',
    'http://archive.example/debian-security/ bookworm-security',
  ]);
  expect(formatSources(picked, 'bookworm', KEYRING)).toBe(
    `deb [signed-by=${KEYRING}] http://archive.example/debian bookworm main\n` +
      `deb [signed-by=${KEYRING}] http://archive.example/debian-security/ bookworm-security main\n`,
  );
});

test('a suite that no source serves is an error that says what to do', () => {
  expect(() => formatSources([], 'jammy', KEYRING)).toThrow(HearthError);
  expect(() => formatSources([], 'jammy', KEYRING)).toThrow(/jammy/);
});

test("a named mirror serves the suite and its pockets, Debian's security apart", () => {
  expect(
    mirrorSources('http://mirror.example/debian/', BOOKWORM).map(({ uri, suite }) => `${uri} ${suite}`),
  ).toEqual([
    'http://mirror.example/debian bookworm',
    'http://mirror.example/debian bookworm-updates',
    'http://mirror.example/debian-security bookworm-security',
  ]);
  const jammy = { ...BOOKWORM, suite: 'jammy' };
  expect(mirrorSources('http://mirror.example/ubuntu', jammy).at(-1)?.uri).toBe(
    'http://mirror.example/ubuntu',
  );
});

test("the machine's own files are read, disabled ones not", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-apt-'));
  try {
    await mkdir(join(folder, 'sources.list.d'));
    await writeFile(join(folder, 'sources.list'), 'deb http://a.example/debian bookworm main\n');
    await writeFile(
      join(folder, 'sources.list.d', 'x.sources'),
      'Types: deb\nURIs: http://b.example/debian\nSuites: bookworm-updates\nComponents: main\n',
    );
    await writeFile(
      join(folder, 'sources.list.d', 'y.list.disabled'),
      'deb http://c.example/debian bookworm main\n',
    );
    expect((await readHostSources(folder)).map(({ uri }) => uri)).toEqual([
      'http://a.example/debian',
      'http://b.example/debian',
    ]);
    expect(await readHostSources(join(folder, 'nothing'))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
