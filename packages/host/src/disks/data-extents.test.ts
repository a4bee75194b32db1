import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashFile, hashSparseFile } from '../images/content-hash.ts';
import { dataExtents, holdsData, parseExtents } from './data-extents.ts';

const MIB = 1024 * 1024;

test('the data of a sparse file is found, and its hash is the plain one of the whole file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-sparse-'));
  try {
    const path = join(folder, 'sparse');
    await using file = await open(path, 'w');
    await file.truncate(20 * MIB + 77);
    await file.write('in the middle', 7.5 * MIB);
    await file.write('at the end', 20 * MIB + 60);
    const extents = await dataExtents(path);
    expect(holdsData(extents, 7 * MIB, 8 * MIB)).toBe(true);
    expect(holdsData(extents, 20 * MIB, 21 * MIB)).toBe(true);
    if (extents !== null) expect(holdsData(extents, 2 * MIB, 6 * MIB)).toBe(false);
    expect(await hashSparseFile(path)).toBe(await hashFile(path));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what filefrag prints is read; what it does not know counts as data', () => {
  const table = [
    'File size of /x is 17179869184 (4194304 blocks of 4096 bytes)',
    ' ext:     logical_offset:        physical_offset: length:   expected: flags:',
    '   0:        0..       4:   30654464..  30654468:      5:            ',
    '   1:       19..      19:   30654483..  30654483:      1:             last,eof',
  ].join('\n');
  expect(parseExtents(table)).toEqual([
    { start: 0, end: 5 * 4096 },
    { start: 19 * 4096, end: 20 * 4096 },
  ]);
  expect(parseExtents('/x: 0 extents found')).toEqual([]);
  expect(parseExtents('/x: FIBMAP unsupported')).toBeNull();
  expect(holdsData(null, 0, 1)).toBe(true);
});

test('a file system that has no map of extents leaves all as data', async () => {
  const folder = await mkdtemp('/dev/shm/hearth-sparse-');
  try {
    const path = join(folder, 'sparse');
    await using file = await open(path, 'w');
    await file.truncate(MIB);
    expect(await dataExtents(path)).toBeNull();
    expect(await hashSparseFile(path)).toBe(await hashFile(path));
  } finally {
    await rm(folder, { recursive: true });
  }
});
