import { HearthError, type Config, type Quota, type QuotaRequest, type VmState } from '@hearth/contract';

/** What one person has now, or asks for. */
export interface Usage {
  vms: number;
  memMiB: number;
  cpus: number;
}

/** In these a VM holds neither memory nor CPUs of its host. */
export const weightlessStates: readonly VmState[] = ['hibernated', 'failed', 'deleted'];

/** What everybody may have who has no quota of their own. */
export const defaultQuota = ({
  maxVmsPerUser,
  maxMemMiBPerUser,
  maxCpusPerUser,
}: Config['controller']): Quota => ({
  vms: maxVmsPerUser,
  memMiB: maxMemMiBPerUser === 0 ? null : maxMemMiBPerUser,
  cpus: maxCpusPerUser === 0 ? null : maxCpusPerUser,
});

/** A person's own quota over the default. */
export const quotaOver = (defaults: Quota, own: QuotaRequest | null): Quota => ({
  vms: own?.vms ?? defaults.vms,
  // null is a wish as well.
  memMiB: own?.memMiB === undefined ? defaults.memMiB : own.memMiB,
  cpus: own?.cpus === undefined ? defaults.cpus : own.cpus,
});

const words: Readonly<Record<keyof Usage, string>> = {
  vms: 'VMs',
  memMiB: 'MiB of memory',
  cpus: 'CPUs',
};

/** Throws quota_exceeded naming what would be too much, and how much is used (F30). */
export function requireWithin(quota: Quota, used: Usage, wanted: Usage): void {
  for (const what of ['vms', 'memMiB', 'cpus'] as const) {
    const limit = quota[what];
    if (limit === null || wanted[what] === 0 || used[what] + wanted[what] <= limit) continue;
    const ask = what === 'vms' ? '' : `, and this VM needs ${wanted[what]}`;
    throw new HearthError(
      'quota_exceeded',
      `${limit} ${words[what]} are allowed, ${used[what]} are in use${ask}`,
      what === 'vms'
        ? {}
        : { hint: 'Hibernate (`hearth vm hibernate ID`) or delete a VM, or ask an administrator for more.' },
    );
  }
}
