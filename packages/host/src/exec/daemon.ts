import { spawn, type ChildProcess } from 'node:child_process';

export interface DaemonOptions {
  env?: Record<string, string>;
  /** File descriptor of stdout and stderr; where left out, nothing is kept. */
  output?: number;
  /** Further descriptors that the program gets, as its 3, 4, … */
  descriptors?: readonly number[];
  cwd?: string;
}

/**
 * Starts a program that outlives this process: own session, no pipe to us.
 * The caller records what it starts before, and its identity after.
 */
export function startDetached(
  command: string,
  args: readonly string[],
  { env, output, descriptors = [], cwd }: DaemonOptions = {},
): ChildProcess {
  const child = spawn(command, [...args], {
    detached: true,
    stdio: ['ignore', output ?? 'ignore', output ?? 'ignore', ...descriptors],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  child.unref();
  return child;
}

/** Starts a program that ends with us and whose lines we read. */
export function startChild(
  command: string,
  args: readonly string[],
  onLine: (line: string) => void,
): ChildProcess {
  const child = spawn(command, [...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    });
  }
  return child;
}
