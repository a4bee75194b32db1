import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip, zstdDecompress } from 'node:zlib';
import { packCpio, type CpioEntry } from './cpio.ts';
import { resolveModules } from './kernel-modules.ts';
import { runBound } from './bound-run.ts';

/** Programs that initramfs/init calls; all are busybox. */
const APPLETS = [
  'findfs',
  'mkdir',
  'modprobe',
  'mount',
  'poweroff',
  'reboot',
  'sh',
  'switch_root',
  'sync',
  'usleep',
] as const;

interface InitramfsInput {
  /** The image's tree: busybox and the kernel's modules come from it, never from the host (F11). */
  root: string;
  release: string;
  /** The /init script of the recipe. */
  initPath: string;
  modules: readonly string[];
  signal: AbortSignal;
}

/** The small initramfs: a static busybox, the modules that lead to the disks, and a script that stacks the layers. */
export async function packInitramfs({
  root,
  release,
  initPath,
  modules,
  signal,
}: InitramfsInput): Promise<Buffer> {
  const moduleFolder = `lib/modules/${release}`;
  const source = join(root, moduleFolder);
  const set = await resolveModules(source, modules);
  const entries: CpioEntry[] = [];
  const folders = new Set<string>();
  const addFolder = (path: string): void => {
    if (path === '.' || folders.has(path)) return;
    addFolder(dirname(path));
    folders.add(path);
    entries.push({ kind: 'folder', path });
  };
  const addFile = (path: string, content: Buffer, executable = false): void => {
    addFolder(dirname(path));
    entries.push({ kind: 'file', path, content, executable });
  };
  for (const folder of ['dev', 'proc', 'root', 'sys', 'layers/agent', 'layers/base', 'layers/upper'])
    addFolder(folder);
  addFile('init', await readFile(initPath), true);
  addFile('bin/busybox', await readFile(join(root, 'bin/busybox')), true);
  for (const applet of APPLETS) entries.push({ kind: 'link', path: `bin/${applet}`, target: 'busybox' });
  addFile('modules', Buffer.from(`${set.names.join(' ')}\n`));
  // busybox's modprobe doesn't unpack: the plain name is written into modules.dep.
  addFile(`${moduleFolder}/modules.dep`, Buffer.from(set.dep.replaceAll(/\.ko\.(xz|zst)\b/g, '.ko')));
  for (const path of set.paths) {
    addFile(
      `${moduleFolder}/${path.replace(/\.(xz|zst)$/, '')}`,
      await readModule(join(source, path), signal),
    );
  }
  return await promisify(gzip)(packCpio(entries), { level: 9 });
}

async function readModule(path: string, signal: AbortSignal): Promise<Buffer> {
  if (path.endsWith('.zst')) return await promisify(zstdDecompress)(await readFile(path));
  if (!path.endsWith('.xz')) return await readFile(path);
  const { stdout } = await runBound('sh', ['-c', 'xz -dc -- "$1" | base64 -w0', 'sh', path], { signal });
  return Buffer.from(stdout, 'base64');
}
