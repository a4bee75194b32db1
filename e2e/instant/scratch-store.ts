import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/** An image store that shares the images of another one, with snapshots of its own. */
export interface ScratchStore extends AsyncDisposable {
  path: string;
  /** Ids of the snapshots in it. */
  snapshots(): Promise<string[]>;
  file(id: string, name: 'memory' | 'state' | 'upper.ext4' | 'manifest.json'): string;
}

/** @param from the store whose images are used, and whose snapshots are copied where `copySnapshots` says so */
export async function openScratchStore(from: string, copySnapshots: boolean): Promise<ScratchStore> {
  // Beside it: the copies are shared with the originals where the file system can do that.
  const path = await mkdtemp(`${from}-scratch-`);
  await runFile('chmod', ['755', path]);
  for (const name of ['images', 'layers', 'templates', 'inputs'])
    await symlink(join(from, name), join(path, name));
  for (const name of ['machine-facts.json', 'timings.json'])
    await copyFile(join(from, name), join(path, name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  const folder = join(path, 'snapshots');
  await mkdir(folder, { mode: 0o755 });
  const snapshots = async (): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.startsWith('snp-'));
  if (copySnapshots) {
    for (const name of await readdir(join(from, 'snapshots'))) {
      if (!name.startsWith('snp-')) continue;
      const source = join(from, 'snapshots', name);
      await runFile('cp', ['-a', '--sparse=always', '--reflink=auto', source, join(folder, name)]);
      const manifest = join(folder, name, 'manifest.json');
      const text = await readFile(manifest, 'utf8');
      // Its paths are absolute.
      await rm(manifest);
      await writeFile(manifest, text.replaceAll(source, join(folder, name)));
    }
  }
  return {
    path,
    snapshots,
    file: (id, name) => join(folder, id, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
