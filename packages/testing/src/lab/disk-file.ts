import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/**
 * Puts a file into the private disk of a VM that doesn't run, without mounting it (F15); the guest sees it at `path`, over
 * whatever its image has there. For guests with a planted fault.
 */
export async function putIntoDisk(disk: string, path: string, content: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-file-'));
  try {
    const source = join(folder, 'content');
    await writeFile(source, content, { mode: 0o644 });
    // `data` is the upper directory of the guest's overlay (image/initramfs/init).
    const target = join('/data', path);
    const folders: string[] = [];
    for (let above = dirname(target); above !== '/data'; above = dirname(above)) folders.unshift(above);
    const commands = [...folders.map((above) => `mkdir ${above}`), `write ${source} ${target}`];
    const script = join(folder, 'commands');
    await writeFile(script, `${commands.join('\n')}\n`);
    await runFile('/usr/sbin/debugfs', ['-w', '-f', script, disk]);
    // It ends with 0 whatever happened.
    const { stdout } = await runFile('/usr/sbin/debugfs', ['-R', `cat ${target}`, disk]);
    if (stdout !== content) throw new Error(`${path} was not written into ${disk}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
