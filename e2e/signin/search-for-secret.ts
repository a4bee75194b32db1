import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { searchFile } from '../../packages/host/src/snapshots/hygiene/search-file.ts';

const TIMEOUT_MS = 300_000;

/**
 * Files below these folders in which the secret's bytes lie, as text of either width or as base64 at any of its three offsets; disks,
 * logs, consoles, journals, databases and saved memory alike.
 */
export async function searchForSecret(secret: string, folders: readonly string[]): Promise<string[]> {
  const needles = [secret, ...base64Forms(secret)];
  const found = new Set<string>();
  for (const folder of folders)
    for await (const path of filesOf(folder)) {
      const { hits } = await searchFile(
        path,
        { patterns: [], needles, controls: [] },
        AbortSignal.timeout(TIMEOUT_MS),
      );
      for (const { offset } of hits) found.add(`${path} at ${offset}`);
    }
  return [...found];
}

/** What stays the same of a text's base64 whatever stands before and behind it. */
function base64Forms(text: string): string[] {
  return [0, 1, 2].map((shift) =>
    Buffer.from(`${'x'.repeat(shift)}${text}`)
      .toString('base64')
      .slice(shift === 0 ? 0 : 4, -4),
  );
}

async function* filesOf(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesOf(path);
    else if (entry.isFile() && (await stat(path)).size > 0) yield path;
  }
}
