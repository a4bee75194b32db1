import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rmdir, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** One busy process a core, in a control group of their own where the machine has those, until it is disposed of. */
export async function startCpuLoad(): Promise<AsyncDisposable> {
  const group = await makeGroup(`bench-load-${process.pid}`);
  const children: ChildProcess[] = [];
  for (let core = 0; core < availableParallelism(); core += 1) {
    // It must not outlive a bench that is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', 'while :; do :; done'], {
      stdio: 'ignore',
    });
    children.push(child);
    if (child.pid === undefined) throw new Error('the load did not start');
    if (group !== null) await writeFile(join(group, 'cgroup.procs'), String(child.pid));
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const child of children) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      if (group !== null) await rmdir(group);
    },
  };
}

/** Of the CPU controller: v1's own tree, or v2's. */
async function makeGroup(name: string): Promise<string | null> {
  for (const root of ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup']) {
    try {
      await stat(join(root, 'cgroup.procs'));
      const group = join(root, name);
      await mkdir(group);
      return group;
    } catch (error) {
      if (!['ENOENT', 'EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
        throw error;
    }
  }
  return null;
}
