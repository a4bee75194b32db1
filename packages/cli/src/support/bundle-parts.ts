import { readdir, readFile } from 'node:fs/promises';
import { totalmem, freemem, loadavg, uptime } from 'node:os';
import { join } from 'node:path';
import { vmIdSchema, whySchema, type Config } from '@hearth/contract';
import { z } from 'zod';
import { readText, type Api } from '../api/client.ts';
import type { Run } from '../exec/run.ts';
import { hostPackages } from '../setup/debian-packages.ts';
import { places } from '../setup/places.ts';
import { readEnd } from './file-end.ts';

/** One file of the bundle. `gather` throws where it can't be had. */
export interface BundlePart {
  name: string;
  gather: () => Promise<string>;
}

export interface PartsDeps {
  config: Config;
  /** What `hearth status --json` says. */
  status: () => Promise<unknown>;
  /** The controller, as an administrator; null where there is no token to ask with. */
  controller: Api | null;
  host: Api;
  run: Run;
  version: string;
  signal: AbortSignal;
}

const LOG_BYTES = 4 * 1024 * 1024;
const CONSOLE_BYTES = 512 * 1024;
const COMMAND_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 15_000;
/** Of VMs with something wrong, the newest; a bundle is to be read by a person. */
const MAX_VMS = 50;

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** All that can be gathered whatever runs; what is about single VMs: {@link vmParts}. */
export function generalParts(deps: PartsDeps): BundlePart[] {
  const { config, status, version, controller, host } = deps;
  const { controllerLog, hostLog, effectiveConfig } = places(config);
  const inside = ['--net=/run/netns/' + config.name];
  const command = (name: string, ...words: [string, ...string[]][]): BundlePart => ({
    name,
    gather: async () => (await Promise.all(words.map((line) => say(deps, line)))).join('\n'),
  });
  const within = (name: string, ...words: string[][]): BundlePart =>
    command(name, ...words.map((line): [string, ...string[]] => ['nsenter', ...inside, ...line]));
  const end = (name: string, path: string): BundlePart => ({ name, gather: () => readEnd(path, LOG_BYTES) });
  const file = (name: string, path: string): BundlePart => ({ name, gather: () => readFile(path, 'utf8') });
  return [
    {
      name: 'versions.txt',
      gather: async () =>
        `hearth ${version}\nnode ${process.version}\n${await say(deps, ['uname', '-a'])}\n${await readFile('/etc/os-release', 'utf8')}`,
    },
    { name: 'status.json', gather: async () => pretty(await status()) },
    { name: 'config.json', gather: async () => pretty(config) },
    file('config-of-the-daemons.json', effectiveConfig),
    end('logs/controller.log', controllerLog),
    end('logs/controller.log.1', `${controllerLog}.1`),
    end('logs/host.log', hostLog),
    end('logs/host.log.1', `${hostLog}.1`),
    json('host-state.json', () => ask(deps, controller, '/api/host')),
    json('drift.json', () => askEither(deps, '/api/host/drift', '/v1/drift')),
    json('capacity.json', () => ask(deps, host, '/v1/capacity')),
    json('vms.json', () => askEither(deps, '/api/vms?all=true', '/v1/vms')),
    json('snapshots.json', () => askEither(deps, '/api/snapshots', '/v1/snapshots')),
    {
      name: 'metrics.txt',
      gather: () => askText(deps, controller, '/metrics', () => askText(deps, host, '/v1/metrics')),
    },
    within(
      'network/namespace.txt',
      ...[
        ['ip', '-d', 'addr'],
        ['ip', 'route'],
        ['ip', 'neigh'],
        ['bridge', 'fdb'],
        ['nft', 'list', 'ruleset'],
      ],
    ),
    command(
      'network/host.txt',
      ...([
        ['ip', '-d', 'addr'],
        ['ip', 'route'],
        ['nft', 'list', 'ruleset'],
        ['ip', 'netns'],
      ] as [string, ...string[]][]),
    ),
    file('network/dnsmasq-hosts.txt', join(config.runDir, 'dnsmasq', 'hosts')),
    file('network/dnsmasq-leases.txt', join(config.stateDir, 'dnsmasq.leases')),
    command('packages.txt', ['dpkg-query', '-W', ...hostPackages]),
    {
      name: 'machine.txt',
      gather: async () =>
        [
          `memory: ${freemem()} of ${totalmem()} bytes free; load: ${loadavg().join(' ')}; up for ${uptime()} s`,
          await readFile('/proc/meminfo', 'utf8'),
          await say(deps, ['df', '-h', config.stateDir, config.imageStore]),
          await say(deps, ['lscpu']),
        ].join('\n'),
    },
    command(
      'files.txt',
      ['find', config.stateDir, '-maxdepth', '3', '-printf', '%M %u %s %t %p\n'],
      ['find', config.runDir, '-maxdepth', '3', '-printf', '%M %u %s %t %p\n'],
    ),
  ];
}

/** Why and console of the VMs that are failed or unhealthy. Throws where there is nobody who knows of VMs. */
export async function vmParts(deps: PartsDeps): Promise<BundlePart[]> {
  const { config, controller } = deps;
  return (await wrongVms(deps)).slice(0, MAX_VMS).flatMap((id): BundlePart[] => [
    json(`vms/${id}/why.json`, async () => {
      try {
        return await ask(deps, controller, `/api/vms/${id}/why`);
      } catch {
        // Nobody answers: what the host kept when it failed.
        const text = await readFile(join(config.stateDir, 'consoles', id, 'why.json'), 'utf8');
        return whySchema.parse(JSON.parse(text));
      }
    }),
    {
      name: `vms/${id}/console.log`,
      gather: () => readEnd(join(config.stateDir, 'consoles', id, 'console.log'), CONSOLE_BYTES),
    },
  ]);
}

const looseVmsSchema = z.object({
  vms: z.array(z.looseObject({ id: vmIdSchema, state: z.string(), finding: z.unknown() })),
});

/** Ids of VMs with something wrong; where nobody answers, of those that something was ever found wrong with. */
async function wrongVms(deps: PartsDeps): Promise<string[]> {
  try {
    const { vms } = looseVmsSchema.parse(await askEither(deps, '/api/vms?all=true', '/v1/vms'));
    return vms
      .filter(({ state, finding }) => state === 'failed' || (state === 'ready' && finding != null))
      .map(({ id }) => id);
  } catch {
    const folder = join(deps.config.stateDir, 'consoles');
    const found: string[] = [];
    for (const id of await readdir(folder))
      if (vmIdSchema.safeParse(id).success && (await readdir(join(folder, id))).includes('why.json'))
        found.push(id);
    return found;
  }
}

const json = (name: string, get: () => Promise<unknown>): BundlePart => ({
  name,
  gather: async () => pretty(await get()),
});

/** What a program prints, below its command line; a failure of it is part of what it says. */
async function say(
  { run, signal }: PartsDeps,
  [program, ...words]: readonly [string, ...string[]],
): Promise<string> {
  const options = { timeoutMs: COMMAND_TIMEOUT_MS, signal };
  const { exitCode, stdout, stderr } = await run(program, words, options);
  const failure = exitCode === 0 ? '' : `\nexit code ${exitCode}`;
  return `$ ${[program, ...words].join(' ')}\n${[stdout, stderr].filter((text) => text !== '').join('\n')}${failure}\n`;
}

const noToken = (): Error => new Error('there is no token to ask the controller with');

/** @param api null: there is nobody to ask */
async function ask({ signal }: PartsDeps, api: Api | null, path: string): Promise<unknown> {
  if (api === null) throw noToken();
  return api.get(z.unknown(), path, { signal, timeoutMs: CALL_TIMEOUT_MS });
}

/** The controller's answer, else the host daemon's. */
async function askEither(deps: PartsDeps, path: string, hostPath: string): Promise<unknown> {
  try {
    return await ask(deps, deps.controller, path);
  } catch {
    // What is wrong with the controller is told by status.json.
    return ask(deps, deps.host, hostPath);
  }
}

async function askText(
  { signal }: PartsDeps,
  api: Api | null,
  path: string,
  otherwise?: () => Promise<string>,
): Promise<string> {
  try {
    if (api === null) throw noToken();
    const { body } = await api.open('GET', path, { signal, timeoutMs: CALL_TIMEOUT_MS });
    return await readText(body);
  } catch (error) {
    if (otherwise === undefined) throw error;
    return otherwise();
  }
}
