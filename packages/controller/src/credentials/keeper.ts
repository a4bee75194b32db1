import {
  asHearthError,
  type Credential,
  type HeldCredential,
  type HostVm,
  type Log,
  type ProviderId,
  type VmId,
} from '@hearth/contract';
import { ownedBy } from '../domain/credentials/credential-record.ts';
import { isStaleWriter, judge } from '../domain/credentials/judgement.ts';
import type { VmStore } from '../store/vms.ts';
import { coalesce, type Coalesced } from '../workers/coalesce.ts';
import type { CredentialBook } from './credential-book.ts';
import type { Custody } from './custody.ts';

const RETRY_MS = 5000;

export interface KeeperDeps {
  book: CredentialBook;
  custody: Custody;
  vms: Pick<VmStore, 'get'>;
  log: Log;
  signal: AbortSignal;
}

/**
 * Makes what VMs hold and what the vault has agree, from what both are now: what a tool refreshed comes in, what a stale writer has
 * is replaced, what was removed goes. So it doesn't matter what happened while nobody looked.
 */
export interface Keeper {
  /** Takes in what the host says of a VM. */
  observe(vm: HostVm): void;
  settled(): Promise<void>;
}

export function createKeeper({ book, custody, vms, log, signal }: KeeperDeps): Keeper {
  /** What each VM holds, as the host last said. */
  const holding = new Map<VmId, readonly HeldCredential[]>();
  const looks = new Map<VmId, Coalesced>();
  const work = new Set<Promise<void>>();
  /** Writers that lost their right, refused since the start. */
  let stale = 0;

  const judgeOne = async (vmId: VmId, provider: ProviderId): Promise<void> => {
    const userId = (await vms.get(vmId))?.userId ?? null;
    if (userId === null) return;
    const whose = { userId, provider };
    await book.alone(whose, async () => {
      // What was heard may be old by now.
      if ((await vms.get(vmId))?.state !== 'ready') return;
      const call = { signal, requestId: undefined };
      const held = await custody.held(vmId, provider, call);
      if (held === null) return;
      const judgement = judge(held, vmId, (await book.get(whose))?.credential ?? null);
      if (isStaleWriter(held, judgement)) {
        stale += 1;
        const { version } = held;
        log('a stale credential was refused', {
          ...{ code: 'credential_stale', vmId, provider, version, count: stale },
        });
      }
      if (judgement === 'take') await custody.take(vmId, whose, held, call);
      else if (judgement === 'replace') await custody.put(vmId, whose, call);
      else if (judgement === 'drop') await custody.drop(vmId, whose, call);
    });
  };
  const look = async (vmId: VmId): Promise<void> => {
    try {
      for (const { provider } of holding.get(vmId) ?? []) await judgeOne(vmId, provider);
    } catch (error) {
      if (signal.aborted) return;
      const { code, detail } = asHearthError(error);
      log('what a VM holds could not be looked after; it is tried again', { vmId, code, detail });
      setTimeout(() => run(vmId), RETRY_MS).unref();
    }
  };
  const track = (promise: Promise<void>): void => {
    const tracked = promise.finally(() => work.delete(tracked));
    work.add(tracked);
  };
  const run = (vmId: VmId): void => {
    if (signal.aborted || !holding.has(vmId)) return;
    const known = looks.get(vmId) ?? coalesce(() => look(vmId));
    looks.set(vmId, known);
    track(known.run());
  };
  /** A VM that came to an end owns nothing. */
  const disown = async (vmId: VmId): Promise<void> => {
    try {
      for (const whose of await book.store.ownedBy(vmId))
        await book.alone(whose, () =>
          book.change(whose, (now) => (now.ownerVmId === vmId ? ownedBy(now, null) : null)),
        );
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('the owner of a credential could not be changed', { vmId, code, detail });
    }
  };

  /** Only what makes VMs hold the wrong one. */
  const told = new Map<Credential['id'], string>();
  const onChange = ({ id, provider, version, state }: Credential): void => {
    const now = `${version} ${String(state === 'removed')}`;
    if (told.get(id) === now) return;
    told.set(id, now);
    for (const [vmId, held] of holding) if (held.some((one) => one.provider === provider)) run(vmId);
  };
  const unwatch = book.watch(onChange);
  signal.addEventListener('abort', unwatch, { once: true });

  return {
    observe: ({ id, state, credentials }) => {
      if (signal.aborted) return;
      if (state === 'failed' || state === 'gone' || state === 'hibernated') track(disown(id));
      const before = holding.get(id);
      if (state !== 'ready' || credentials.length === 0) {
        holding.delete(id);
        looks.delete(id);
        return;
      }
      holding.set(id, credentials);
      if (JSON.stringify(before) !== JSON.stringify(credentials)) run(id);
    },
    settled: async () => {
      await Promise.all(work);
    },
  };
}
