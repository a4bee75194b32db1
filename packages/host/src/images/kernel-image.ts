import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { HearthError } from '@hearth/contract';
import { LZ4_LEGACY_MAGIC, unpackLz4Legacy } from './lz4-legacy.ts';

/** Offsets in a bzImage's header (Linux: Documentation/arch/x86/boot.rst). */
const SETUP_SECTORS_AT = 0x1f1;
const HEADER_MAGIC_AT = 0x202;
const PAYLOAD_OFFSET_AT = 0x248;
const PAYLOAD_LENGTH_AT = 0x24c;
const ELF_MAGIC = 0x464c457f;

/**
 * The uncompressed ELF kernel inside a bzImage: what Firecracker takes, and what QEMU's microvm starts without running the
 * kernel's own decompressor.
 */
export async function extractVmlinux(path: string): Promise<Buffer> {
  const image = await readFile(path);
  if (
    image.length < PAYLOAD_LENGTH_AT + 4 ||
    image.toString('latin1', HEADER_MAGIC_AT, HEADER_MAGIC_AT + 4) !== 'HdrS'
  ) {
    throw new HearthError('image_build_failed', `${path} is not a bzImage`);
  }
  const sectors = image[SETUP_SECTORS_AT] ?? 0;
  const start = ((sectors === 0 ? 4 : sectors) + 1) * 512 + image.readUInt32LE(PAYLOAD_OFFSET_AT);
  // The build appends the unpacked size (4 bytes) behind the packed data; all but gzip must be told to stop before it.
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH_AT));
  const kernel = await unpack(payload);
  if (kernel.length < 64 || kernel.readUInt32LE(0) !== ELF_MAGIC) {
    throw new HearthError('image_build_failed', `${path} holds no ELF kernel`);
  }
  return kernel;
}

async function unpack(payload: Buffer): Promise<Buffer> {
  const magic = payload.readUInt32LE(0);
  if (magic === ELF_MAGIC) return payload;
  if (magic === LZ4_LEGACY_MAGIC) return await unpackLz4Legacy(payload.subarray(0, -4));
  if (magic === 0xfd2fb528) return await promisify(zstdDecompress)(payload.subarray(0, -4));
  if ((magic & 0xffff) === 0x8b1f) return await promisify(gunzip)(payload);
  throw new HearthError(
    'image_build_failed',
    `the kernel is packed in a way that isn't known (0x${magic.toString(16)})`,
  );
}
