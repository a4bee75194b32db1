import {
  HearthError,
  type Config,
  type CreateVm,
  type FieldIssue,
  type Geometry,
  type HostCapacity,
  type VmSize,
} from '@hearth/contract';

export type SizeLimits = Config['vms'];

const MIN_DISK_MIB = 512;

/** The screen of a new VM; null where its kind has none. Throws bad_request where one is asked for all the same. */
export function decideDesktop({ kind, desktop }: CreateVm, defaults: Geometry): Geometry | null {
  if (kind === 'browser') return desktop ?? { width: defaults.width, height: defaults.height };
  if (desktop === undefined) return null;
  throw new HearthError('bad_request', `desktop: a VM of kind ${kind} has none`, {
    issues: [{ path: 'desktop', message: `a VM of kind ${kind} has none` }],
  });
}

/**
 * The size of a new VM: what was asked for over the kind's default. Throws bad_request naming every field that
 * no state of this host could satisfy, and capacity_exceeded where it has no room now (F12, F30).
 */
export function decideSize(
  { kind, cpus, memMiB, diskMiB }: CreateVm,
  limits: SizeLimits,
  capacity: HostCapacity,
): VmSize {
  const { minMemMiB, ...defaults } = limits[kind];
  const size: VmSize = {
    cpus: cpus ?? Math.min(defaults.cpus, capacity.cpus),
    memMiB: memMiB ?? defaults.memMiB,
    diskMiB: diskMiB ?? defaults.diskMiB,
  };
  const usableMemMiB = capacity.memMiB - limits.reserveMemMiB;
  const issues: FieldIssue[] = [];
  const check = (wrong: boolean, path: keyof VmSize, message: string): void => {
    if (wrong) issues.push({ path, message: `${size[path]} does not fit: ${message}` });
  };
  check(size.cpus > capacity.cpus, 'cpus', `the host has ${capacity.cpus}`);
  check(size.memMiB < minMemMiB, 'memMiB', `a ${kind} VM needs at least ${minMemMiB} MiB`);
  check(
    size.memMiB > usableMemMiB,
    'memMiB',
    `the host has ${usableMemMiB} MiB for VMs (${capacity.memMiB} less a reserve of ${limits.reserveMemMiB})`,
  );
  check(size.diskMiB < MIN_DISK_MIB, 'diskMiB', `a VM needs at least ${MIN_DISK_MIB} MiB`);
  // Disks are sparse: the default may exceed what is free, an explicit wish may not.
  check(
    diskMiB !== undefined && diskMiB > capacity.diskFreeMiB,
    'diskMiB',
    `the host has ${capacity.diskFreeMiB} MiB free`,
  );
  if (issues.length > 0)
    throw new HearthError(
      'bad_request',
      issues.map(({ path, message }) => `${path}: ${message}`).join('; '),
      { issues },
    );
  if (size.memMiB > capacity.memFreeMiB)
    throw new HearthError(
      'capacity_exceeded',
      `the VM needs ${size.memMiB} MiB of memory, ${capacity.memFreeMiB} MiB are free`,
    );
  return size;
}
