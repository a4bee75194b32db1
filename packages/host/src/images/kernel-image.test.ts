import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { extractVmlinux } from './kernel-image.ts';
import { LZ4_LEGACY_MAGIC, unpackBlock, unpackLz4Legacy } from './lz4-legacy.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-kernel-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const ELF = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(4000, 'kernel')]);

/** A bzImage with 3 setup sectors: the payload lies 100 bytes into the protected-mode part. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc(4 * 512 + 100);
  head[0x1f1] = 3;
  head.write('HdrS', 0x202);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.alloc(64)]);
}

const withSize = (packed: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(ELF.length);
  return Buffer.concat([packed, size]);
};

/** One LZ4 block of literals only. */
function lz4Literals(data: Buffer): Buffer {
  const lengths: number[] = [];
  let rest = data.length - 15;
  for (; rest >= 255; rest -= 255) lengths.push(255);
  return Buffer.concat([Buffer.from([0xf0, ...lengths, rest]), data]);
}

function lz4Legacy(...blocks: Buffer[]): Buffer {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(LZ4_LEGACY_MAGIC);
  const parts: Buffer[] = [magic];
  for (const block of blocks) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

test.each([
  ['lz4', withSize(lz4Legacy(lz4Literals(ELF.subarray(0, 2000)), lz4Literals(ELF.subarray(2000))))],
  ['zstd', withSize(zstdCompressSync(ELF))],
  ['gzip', gzipSync(ELF)],
  ['nothing', ELF],
])('a kernel packed by %s is unpacked to its ELF', async (name, payload) => {
  const path = join(folder, `vmlinuz-${name}`);
  await writeFile(path, bzImage(payload));
  expect((await extractVmlinux(path)).equals(ELF)).toBe(true);
});

test('a file that is no kernel is refused by name', async () => {
  const path = join(folder, 'text');
  await writeFile(path, 'not a kernel');
  await expect(extractVmlinux(path)).rejects.toThrow(/text is not a bzImage/);
  await writeFile(path, bzImage(gzipSync(Buffer.alloc(4000))));
  await expect(extractVmlinux(path)).rejects.toThrow(/no ELF kernel/);
  await writeFile(path, bzImage(Buffer.from('BZh9 something else that is long enough')));
  await expect(extractVmlinux(path)).rejects.toThrow(/packed in a way/);
});

test('LZ4 matches: overlapping, distant and of extended length', () => {
  // literals "abc", match offset 3 length 4+15+10=29, literals "z"
  const packed = Buffer.from([0x3f, 0x61, 0x62, 0x63, 3, 0, 10, 0x10, 0x7a]);
  expect(unpackBlock(packed).toString()).toBe(`${'abc'.repeat(11).slice(0, 32)}z`);
  // literals "abcd", match offset 4 length 4 (not overlapping), literals "!"
  expect(unpackBlock(Buffer.from([0x40, 0x61, 0x62, 0x63, 0x64, 4, 0, 0x10, 0x21])).toString()).toBe(
    'abcdabcd!',
  );
});

test('damaged LZ4 ends in an error, not in a kernel or an endless loop', async () => {
  expect(() => unpackBlock(Buffer.from([0x10, 0x61, 9, 0]))).toThrow(/damaged/);
  expect(() => unpackBlock(Buffer.from([0x1f, 0x61, 1, 0, 255, 255]))).toThrow(/ends in the middle/);
  expect(() => unpackBlock(Buffer.from([0x1f, 0x61, 1, 0, 255, 0]), 64)).toThrow(/damaged/);
  expect((await unpackLz4Legacy(lz4Legacy())).length).toBe(0);
});
