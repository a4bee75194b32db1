import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type Config, type ConfigInput } from '@hearth/contract';

export const repository = join(import.meta.dirname, '../../../..');

export interface CliResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

export interface CliOptions {
  input?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
}

/** One Hearth of a test: own name, folders, port and namespace, no way out; driven by `./hearth` as a user would. */
export interface HearthLab {
  readonly config: Config;
  readonly configPath: string;
  readonly url: string;
  /** Runs `./hearth …` to its end. */
  cli(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** The same; throws unless the exit code is 0, and gives what it printed as JSON. */
  json(args: readonly string[], options?: CliOptions): Promise<unknown>;
  /** Starts `./hearth …` and leaves it running. */
  start(args: readonly string[], env?: Record<string, string>): ChildProcess;
  up(): Promise<void>;
  adminToken(): Promise<string>;
  /** A call of the API as the administrator, unless another token is given. */
  fetch(path: string, init?: RequestInit & { token?: string | null }): Promise<Response>;
  /** pid of a daemon, from the file that it wrote. */
  pid(daemon: 'host' | 'controller'): Promise<number>;
  /** Ends all and removes every trace. */
  dispose(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
  return promise;
}

export async function makeLab(overrides: ConfigInput = {}): Promise<HearthLab> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-lab-'));
  const name = `lab${randomBytes(3).toString('hex')}`;
  const input: ConfigInput = {
    name,
    stateDir: join(folder, 'state'),
    runDir: join(folder, 'run'),
    imageStore: process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth',
    ...overrides,
    controller: { port: await freePort(), ...overrides.controller },
    // Tests say what they boot; those of snapshots and of the warm pool turn them on.
    vms: {
      ...overrides.vms,
      warm: { cli: 0, browser: 0, ...overrides.vms?.warm },
      snapshots: { golden: false, ...overrides.vms?.snapshots },
    },
    network: { uplink: 'none', ...overrides.network },
  };
  const configPath = join(folder, 'hearth.json');
  // The controller is another user and must get through to its own folder below.
  await mkdir(folder, { recursive: true });
  await spawnToEnd('chmod', ['755', folder], {});
  await writeFile(configPath, JSON.stringify(input, null, 2));
  const config = parseConfig(input, {});
  const url = `http://${config.controller.address}:${config.controller.port}`;
  // Nothing of the surroundings leaks in: no HEARTH_… and no key of a real person.
  const surroundings = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(HEARTH_|ANTHROPIC_|NODE_OPTIONS|VITEST)/.test(key)),
  );
  const environment = (env: Record<string, string> = {}): Record<string, string> => ({
    ...(surroundings as Record<string, string>),
    HEARTH_CONFIG: configPath,
    NO_COLOR: '1',
    ...env,
  });
  const hearth = join(repository, 'hearth');
  const adminToken = async (): Promise<string> =>
    (await readFile(join(config.stateDir, 'admin.token'), 'utf8')).trim();
  const lab: HearthLab = {
    config,
    configPath,
    url,
    cli: (args, { input: stdin, env, timeoutMs = 300_000 } = {}) =>
      spawnToEnd(hearth, args, {
        env: environment(env),
        timeoutMs,
        ...(stdin === undefined ? {} : { input: stdin }),
      }),
    json: async (args, options) => {
      const result = await lab.cli([...args, '--json'], options);
      if (result.exitCode !== 0)
        throw new Error(
          `hearth ${args.join(' ')}: exit code ${result.exitCode}\n${result.stdout}${result.stderr}`,
        );
      return JSON.parse(result.stdout) as unknown;
    },
    start: (args, env) =>
      spawn(hearth, [...args], { env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] }),
    up: async () => {
      const result = await lab.cli(['up', '--yes', '--detach'], { timeoutMs: 1_200_000 });
      if (result.exitCode !== 0)
        throw new Error(`hearth up: exit code ${result.exitCode}\n${result.stdout}${result.stderr}`);
    },
    adminToken,
    fetch: async (path, { token, ...init } = {}) => {
      const bearer = token === undefined ? await adminToken() : token;
      const headers = new Headers(init.headers);
      if (bearer !== null) headers.set('authorization', `Bearer ${bearer}`);
      return fetch(`${url}${path}`, { ...init, headers });
    },
    pid: async (daemon) => {
      const text = await readFile(join(config.runDir, `${daemon}.pid`), 'utf8');
      return (JSON.parse(text) as { pid: number }).pid;
    },
    dispose: async () => {
      const result = await lab.cli(['down', '--purge'], { timeoutMs: 120_000 });
      if (result.exitCode !== 0 && result.exitCode !== 3) {
        throw new Error(
          `hearth down --purge: exit code ${result.exitCode}\n${result.stdout}${result.stderr}`,
        );
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
  return lab;
}

async function spawnToEnd(
  command: string,
  args: readonly string[],
  { env, input, timeoutMs = 60_000 }: { env?: Record<string, string>; input?: string; timeoutMs?: number },
): Promise<CliResult> {
  const child = spawn(command, [...args], {
    ...(env === undefined ? {} : { env }),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A program that doesn't read its input closes it; that is its own business.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  return { exitCode: await promise, stdout, stderr };
}
