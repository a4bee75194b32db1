import { access, constants, readFile } from 'node:fs/promises';
import { HearthError } from '@hearth/contract';
import type { Step } from './steps.ts';

/** Refuses what would only fail later and less clearly. */
export function requireRoot(command: string, uid: number | undefined = process.getuid?.()): void {
  if (uid === 0) return;
  throw new HearthError(
    'requirement_missing',
    `\`${command}\` must be run by root: it makes network namespaces, users and VMs`,
    {
      hint: `Run it with sudo: sudo ./${command}`,
    },
  );
}

export interface MachineFacts {
  platform: string;
  arch: string;
  /** Content of /etc/os-release. */
  osRelease: string;
  hasAptGet: boolean;
}

/** Says what the machine is, or throws what it lacks. */
export function judgeMachine({ platform, arch, osRelease, hasAptGet }: MachineFacts): string {
  const field = (name: string): string =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  const title = field('PRETTY_NAME') || platform;
  const fail = (what: string): never => {
    throw new HearthError('requirement_missing', what, {
      hint: 'Use a machine with Debian 12 (or a Debian-like system with apt) on x86_64.',
    });
  };
  if (platform !== 'linux' || arch !== 'x64')
    fail(`Hearth runs on Linux x86_64; this is ${platform} on ${arch}`);
  const family = `${field('ID')} ${field('ID_LIKE')}`.split(' ');
  if (!hasAptGet) fail(`${title} has no apt-get`);
  return family.includes('debian') ? title : `${title} (not known to be Debian-like, but it has apt-get)`;
}

export function machineStep(): Step {
  return {
    name: 'Machine',
    expectedMs: 10,
    isDone: async () =>
      judgeMachine({
        platform: process.platform,
        arch: process.arch,
        osRelease: await readFile('/etc/os-release', 'utf8').catch((error: unknown) => {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
          throw error;
        }),
        hasAptGet: await access('/usr/bin/apt-get', constants.X_OK).then(
          () => true,
          () => false,
        ),
      }),
    run: () => Promise.resolve('fit'),
  };
}
