import { stat } from 'node:fs/promises';

/** Changes with every write to the file, and where another one takes its place: the kernel alone sets ctime. Reads no content. */
export async function fileFingerprint(path: string): Promise<string> {
  const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [size, ino, mtimeNs, ctimeNs].join(' ');
}
