import { HearthError } from '@hearth/contract';
import { runOrThrow, type Run } from '../exec/run.ts';
import type { Step, StepReport } from './steps.ts';

/** What the daemons and the image build call, by the package that holds it. */
export const hostPackages = [
  'busybox-static',
  'ca-certificates',
  'cpio',
  'dnsmasq-base',
  'dnsmasq-utils',
  'e2fsprogs',
  'iproute2',
  'kmod',
  'mmdebstrap',
  'nftables',
  'qemu-system-x86',
  'util-linux',
] as const;

/** For tests that drive a real browser, and a native VNC viewer. */
export const browserTestPackages = ['chromium', 'tigervnc-standalone-server', 'tigervnc-viewer'] as const;

/** For `hearth bench desktop`: a VNC server on this machine, what changes its screen, and what the bridge is compared with. */
export const desktopBenchPackages = [
  'chromium',
  'tigervnc-standalone-server',
  'websockify',
  'x11-xserver-utils',
] as const;

const QUERY_TIMEOUT_MS = 30_000;
const INSTALL_TIMEOUT_MS = 30 * 60_000;

/** Those that dpkg doesn't know as installed; one call whatever their number. */
export async function missingPackages(run: Run, packages: readonly string[]): Promise<string[]> {
  // Unknown packages make its exit code 1; what it prints of the others is right all the same.
  const { stdout } = await run('dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\n', ...packages], {
    timeoutMs: QUERY_TIMEOUT_MS,
  });
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.slice(0, line.indexOf(' '))),
  );
  return packages.filter((name) => !installed.has(name));
}

export interface Consent {
  /** --yes */
  given: boolean;
  /** Asks on a terminal; null where there is none. */
  ask: ((question: string) => Promise<boolean>) | null;
}

export interface PackageStepOptions {
  run: Run;
  packages: readonly string[];
  consent: Consent;
  signal: AbortSignal;
  name?: string;
}

export function debianPackagesStep({
  run,
  packages,
  consent,
  signal,
  name = 'Debian packages',
}: PackageStepOptions): Step {
  let missing: string[] = [];
  return {
    name,
    expectedMs: 60_000,
    isDone: async () => {
      missing = await missingPackages(run, packages);
      if (missing.length === 0) return `all ${packages.length} installed`;
      await requireConsent(missing, consent);
      return null;
    },
    run: (report) => install(run, missing, report, signal),
  };
}

const installCommand = (packages: readonly string[]): string =>
  `apt-get install -y --no-install-recommends ${packages.join(' ')}`;

async function requireConsent(missing: readonly string[], { given, ask }: Consent): Promise<void> {
  if (given) return;
  const error = new HearthError(
    'requirement_missing',
    `these Debian packages are missing: ${missing.join(' ')}`,
    {
      hint: `Run it again with --yes, or install them yourself: ${installCommand(missing)}`,
    },
  );
  if (ask === null) throw error;
  if (!(await ask(`Install ${missing.length} missing Debian packages (${missing.join(', ')})?`))) throw error;
}

async function install(
  run: Run,
  missing: readonly string[],
  report: StepReport,
  signal: AbortSignal,
): Promise<string> {
  const options = {
    env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    timeoutMs: INSTALL_TIMEOUT_MS,
    signal,
  };
  report.stage('reading the package lists');
  const update = await run('apt-get', ['update'], options);
  report.stage(`installing ${missing.join(' ')}`);
  const args = ['install', '-y', '--no-install-recommends', ...missing];
  try {
    await runOrThrow(run, 'apt-get', args, options);
  } catch (error) {
    // A third-party source that is down is no hindrance as such; where the installation fails as well, it may be the cause.
    if (update.exitCode === 0 || !(error instanceof HearthError)) throw error;
    throw new HearthError(
      'requirement_missing',
      `${error.detail}\napt-get update had failed before: ${update.stderr.trim().split('\n').slice(-3).join('; ')}`,
      {
        cause: error,
        hint: 'Mend the sources of apt (/etc/apt/sources.list*), then run the same command again.',
      },
    );
  }
  if (update.exitCode !== 0)
    report.note('note: `apt-get update` failed for some sources; the packages were found all the same');
  return `installed ${missing.join(' ')}`;
}
