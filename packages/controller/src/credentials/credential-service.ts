import {
  asHearthError,
  HearthError,
  providers,
  type Config,
  type Credential,
  type CredentialVerdict,
  type ErrorCode,
  type HeldCredential,
  type Log,
  type ProviderId,
  type RequestId,
  type Secret,
  type UserId,
  type VmId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { counted, toCredentialView, type CredentialRecord } from '../domain/credentials/credential-record.ts';
import { judge } from '../domain/credentials/judgement.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmStore } from '../store/vms.ts';
import type { CredentialBook, Whose } from './credential-book.ts';
import type { Custody } from './custody.ts';
import { apiKeySecret } from './guest-secret.ts';

/** Who asked, and until when. */
export interface HandOverCall {
  requestId: RequestId;
  signal: AbortSignal;
}

/** What a VM has of a provider after a hand-over. */
export interface HandedOver {
  credentialId: Credential['id'];
  version: number;
  kind: Credential['kind'];
}

/** Credentials on their way between the vault and the VMs: a refresh token has one owner at a time. */
export interface CredentialService {
  /**
   * Sees to it that this VM holds the newest version: puts it, and takes it from another VM that isn't using it. Throws
   * credential_missing, needs_login (state `refused`), credential_busy, vault_failed, and what the host says.
   */
  handOver(vm: VmRecord, provider: ProviderId, call: HandOverCall): Promise<HandedOver>;
  /** The same for every provider that is connected; skips those that are busy elsewhere or refused. */
  handOverAll(vm: VmRecord, call: HandOverCall): Promise<void>;
  /** null: none, or removed. */
  find(userId: UserId, provider: ProviderId): Promise<Credential | null>;
  list(userId: UserId): Promise<Credential[]>;
  /** Keeps a key in the vault, in place of what was there; runs wait no longer. Throws bad_request, vault_failed. */
  storeApiKey(whose: Whose, apiKey: Secret, by: UserId): Promise<Credential>;
  /** Takes it out of the vault, and out of the VMs as soon as they are reached. Throws credential_missing. */
  remove(whose: Whose): Promise<void>;
  /** Counts the end of a run, once a run; null where there is no credential any more. */
  settle(userId: UserId, provider: ProviderId, verdict: CredentialVerdict): Promise<Credential | null>;
  /** Tells every change; in state `removed` for the last time. Gives back what ends it. */
  watch(listener: (credential: Credential) => void): () => void;
  /**
   * Before a VM is deleted or hibernated: takes what the tool rewrote into the vault, and the credentials out of the VM. Throws
   * where the VM does not give them.
   */
  takeBack(vm: VmRecord, signal: AbortSignal): Promise<void>;
  /** Adds a judge of whether a VM uses its credential of a provider now. */
  busy(check: (vmId: VmId, provider: ProviderId) => boolean): void;
}

export interface CredentialServiceDeps {
  book: CredentialBook;
  custody: Custody;
  vms: Pick<VmStore, 'get'>;
  policy: Pick<Config['runs'], 'pauseAfterRefusals'>;
  world: World;
  log: Log;
}

/** In these a VM holds nothing: it came up anew, or is gone. */
const emptyStates: readonly VmRecord['state'][] = [
  'requested',
  'starting',
  'hibernated',
  'failed',
  'deleted',
];
/** Reasons to go on without this one. */
const passedOver: readonly ErrorCode[] = ['credential_busy', 'needs_login', 'credential_missing'];

export function createCredentialService(deps: CredentialServiceDeps): CredentialService {
  const { book, custody, vms, policy, world, log } = deps;
  const checks: ((vmId: VmId, provider: ProviderId) => boolean)[] = [];
  const isBusy = (vmId: VmId, provider: ProviderId): boolean => checks.some((check) => check(vmId, provider));

  const usable = async ({ userId, provider }: Whose): Promise<CredentialRecord> => {
    const sealed = await book.get({ userId, provider });
    const { title } = providers[provider];
    if (sealed === null) throw new HearthError('credential_missing', `${title} is not connected`);
    if (sealed.credential.state === 'refused')
      throw new HearthError('needs_login', `${title} refused its credential repeatedly`, {
        hint: `Sign in again on the Connect page, or with \`hearth signin ${provider}\`.`,
      });
    return sealed.credential;
  };
  const takeFrom = async (ownerId: VmId, whose: Whose, call: HandOverCall): Promise<void> => {
    const owner = await vms.get(ownerId);
    if (owner === null || emptyStates.includes(owner.state)) return;
    const busy = (why: string): HearthError =>
      new HearthError('credential_busy', `${providers[whose.provider].title} is in ${ownerId}, ${why}`, {
        vmId: ownerId,
      });
    if (isBusy(ownerId, whose.provider)) throw busy('which uses it now');
    try {
      await custody.drop(ownerId, whose, call);
    } catch (error) {
      if (call.signal.aborted) throw error;
      throw busy(`which does not give it: ${asHearthError(error).message}`);
    }
  };
  /** Leaves, takes in or replaces what the VM holds. */
  const bringUpToDate = async (
    vm: VmRecord,
    whose: Whose,
    held: HeldCredential | null,
    call: HandOverCall,
  ): Promise<void> => {
    const credential = await usable(whose);
    const judgement = held === null ? 'replace' : judge(held, vm.id, credential);
    if (held !== null && judgement === 'take') return custody.take(vm.id, whose, held, call);
    // Broken while nothing of the VM writes it: it stays broken.
    const broken = held !== null && !held.intact && !isBusy(vm.id, whose.provider);
    if (judgement === 'nothing' && held?.version !== 0 && !broken) return;
    await custody.put(vm.id, whose, call);
  };

  const handOver: CredentialService['handOver'] = async (vm, provider, call) => {
    const { userId } = vm;
    if (userId === null) throw new HearthError('credential_missing', `${vm.id} is nobody’s`, { vmId: vm.id });
    const whose = { userId, provider };
    return book.alone(whose, async () => {
      const { kind, ownerVmId } = await usable(whose);
      if (kind === 'sign_in' && ownerVmId !== null && ownerVmId !== vm.id)
        await takeFrom(ownerVmId, whose, call);
      await bringUpToDate(vm, whose, await custody.held(vm.id, provider, call), call);
      const { id, version } = await usable(whose);
      return { credentialId: id, version, kind };
    });
  };
  const list = async (userId: UserId): Promise<CredentialRecord[]> =>
    (await book.store.list(userId)).filter(({ state }) => state !== 'removed');

  return {
    handOver,
    handOverAll: async (vm, call) => {
      if (vm.userId === null) return;
      for (const { provider } of await list(vm.userId)) {
        try {
          await handOver(vm, provider, call);
        } catch (error) {
          const { code, detail } = asHearthError(error);
          if (!passedOver.includes(code)) throw error;
          log('a credential was not handed over', { vmId: vm.id, provider, code, detail });
        }
      }
    },
    find: async (userId, provider) => {
      const sealed = await book.get({ userId, provider });
      return sealed === null ? null : toCredentialView(sealed.credential);
    },
    list: async (userId) => (await list(userId)).map(toCredentialView),
    storeApiKey: async (whose, apiKey, by) => {
      const { apiKeyPattern, title } = providers[whose.provider];
      if (!apiKeyPattern.test(apiKey.reveal()))
        throw new HearthError('bad_request', `apiKey: that is not what a key for ${title} looks like`, {
          issues: [{ path: 'apiKey', message: `is no key for ${title}` }],
        });
      const written = await book.alone(whose, () =>
        book.write(
          whose,
          {
            kind: 'api_key',
            writer: { type: 'api_key', userId: by },
            ...{ account: null, expiresAtMs: null, ownerVmId: null },
          },
          apiKeySecret(whose.provider, apiKey),
        ),
      );
      if (written === null) throw new HearthError('internal', 'the key was not written');
      return toCredentialView(written);
    },
    remove: async (whose) => {
      const gone = await book.alone(whose, () => book.remove(whose));
      if (gone === null)
        throw new HearthError('credential_missing', `${providers[whose.provider].title} is not connected`);
    },
    settle: async (userId, provider, verdict) => {
      const credential = await book.change({ userId, provider }, (now) =>
        counted(now, verdict, policy.pauseAfterRefusals, world.now()),
      );
      return credential === null ? null : toCredentialView(credential);
    },
    watch: (listener) => book.watch(listener),
    takeBack: async ({ id }, signal) => {
      const call = { signal, requestId: undefined };
      await Promise.all(
        (await book.store.ownedBy(id)).map((whose) => book.alone(whose, () => custody.drop(id, whose, call))),
      );
    },
    busy: (check) => void checks.push(check),
  };
}
