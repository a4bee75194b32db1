import { withAbort, type Config, type HostVm } from '@hearth/contract';
import { freeMemMiB } from '../vms/admission.ts';
import type { VmHost } from '../vms/vm-host.ts';

const BUSY: ReadonlySet<HostVm['state']> = new Set(['creating', 'booting', 'hibernating']);

/** Resolves once no VM is on its way and the memory for another one is free: people come first. */
export async function waitForQuiet(
  vms: Pick<VmHost, 'list' | 'holding' | 'onChange'>,
  config: Config,
  memMiB: number,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { promise: changed, resolve } = Promise.withResolvers<undefined>();
    const stop = vms.onChange(() => resolve(undefined));
    try {
      const free = freeMemMiB(config, vms.holding());
      const busy = vms.list().some(({ state }) => BUSY.has(state));
      if (!busy && free >= memMiB) return;
      note(
        busy ? 'waits until no VM boots' : `waits for ${memMiB} MiB of memory, ${Math.max(0, free)} are free`,
      );
      await withAbort(changed, signal);
    } finally {
      stop();
    }
  }
}
