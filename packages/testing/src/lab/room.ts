import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);
const END_TIMEOUT_MS = 10_000;
const KEPT_WORDS = 4000;

/** A network namespace of a test's own, without a way out, and a folder beside it; disposing of it leaves nothing. */
export interface Room extends AsyncDisposable {
  /** Of the namespace; fits `name` of a configuration. */
  readonly name: string;
  readonly folder: string;
  /** Runs `node SCRIPT INPUT_JSON` in the namespace and gives what it printed as JSON; throws with its words where it fails. */
  inside(script: string, input: unknown, timeoutMs: number): Promise<unknown>;
}

export async function openRoom(): Promise<Room> {
  const name = `room${randomBytes(3).toString('hex')}`;
  const folder = await mkdtemp(join(tmpdir(), 'hearth-room-'));
  // VMMs and dnsmasq are other users and must get through.
  await chmod(folder, 0o755);
  await runFile('ip', ['netns', 'add', name]);
  // dnsmasq is told of released leases through it.
  await runFile('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  return {
    name,
    folder,
    inside: (script, input, timeoutMs) => runInside(name, script, input, timeoutMs),
    [Symbol.asyncDispose]: async () => {
      await endAll(name);
      await runFile('ip', ['netns', 'del', name]);
      await removeCgroups(name);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function runInside(name: string, script: string, input: unknown, timeoutMs: number): Promise<unknown> {
  // It must not outlive a test run that is killed.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${name}`],
      ...[process.execPath, script, JSON.stringify(input)],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const { promise, resolve, reject } = Promise.withResolvers<number | NodeJS.Signals | null>();
  child.on('error', reject);
  child.on('close', (code, signal) => resolve(signal ?? code));
  const end = await promise;
  if (end !== 0) throw new Error(`${script} ended with ${end}: ${stderr.slice(-KEPT_WORDS)}`);
  return JSON.parse(stdout) as unknown;
}

/** Kills whatever runs in the namespace: all of it was started from this room. */
async function endAll(name: string): Promise<void> {
  const endMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const { stdout } = await runFile('ip', ['netns', 'pids', name]);
    const pids = stdout.split('\n').filter((line) => line !== '');
    if (pids.length === 0) return;
    if (performance.now() > endMs) throw new Error(`processes in ${name} don't end: ${pids.join(', ')}`);
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The groups that a Hearth of this name made for its VMMs (v2, or v1's three). */
async function removeCgroups(name: string): Promise<void> {
  for (const controller of ['', 'memory', 'cpu', 'pids']) {
    const tree = join('/sys/fs/cgroup', controller, `hearth-${name}`);
    const groups = await readdir(tree, { withFileTypes: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    });
    if (groups === null) continue;
    for (const group of groups) if (group.isDirectory()) await rmdir(join(tree, group.name));
    await rmdir(tree);
  }
}
