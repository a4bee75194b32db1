import { open } from 'node:fs/promises';

/** The last whole lines of a file, at most so many bytes. Throws where it can't be read. */
export async function readEnd(path: string, maxBytes: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const from = Math.max(0, size - maxBytes);
  const buffer = Buffer.alloc(size - from);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  const text = buffer.subarray(0, bytesRead).toString('utf8');
  // What is left of a line that was cut could be half of a secret.
  return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
}
