import {
  asHearthError,
  HearthError,
  startProgress,
  type GuestCredential,
  type HeldCredential,
  type Log,
  type ProviderId,
  type RequestId,
  type VmId,
} from '@hearth/contract';
import { factsOf, ownedBy } from '../domain/credentials/credential-record.ts';
import { mayWrite } from '../domain/credentials/judgement.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { CredentialBook, Whose } from './credential-book.ts';
import { fromSecret, parseContent, toSecret } from './guest-secret.ts';

/** Each way into a VM and back. */
const HOST_TIMEOUT_MS = 15_000;

export interface CustodyCall {
  requestId: RequestId | undefined;
  signal: AbortSignal;
}

/** Moves one credential between the vault and one VM; whoever calls has the person's turn for it (`alone`). */
export interface Custody {
  /** What the VM holds now, asked of the host. */
  held(vmId: VmId, provider: ProviderId, call: CustodyCall): Promise<HeldCredential | null>;
  /** Gives the VM the newest version; it owns a sign-in from then on. */
  put(vmId: VmId, whose: Whose, call: CustodyCall): Promise<void>;
  /** Takes what the owner's tool rewrote into the vault, and tells the VM. Throws credential_invalid where it isn't whole. */
  take(vmId: VmId, whose: Whose, held: HeldCredential, call: CustodyCall): Promise<void>;
  /** Erases it in the VM; what its owner's tool rewrote is in the vault then. */
  drop(vmId: VmId, whose: Whose, call: CustodyCall): Promise<void>;
}

export function createCustody(book: CredentialBook, host: HostLink, log: Log): Custody {
  const options = (what: string, { requestId, signal }: CustodyCall) => ({
    signal: startProgress({ what, timeoutMs: HOST_TIMEOUT_MS, signal }).signal,
    ...(requestId === undefined ? {} : { requestId }),
  });

  /** Gives the version that the vault has of this content then; null where it is not taken. */
  const keep = async (vmId: VmId, whose: Whose, content: GuestCredential): Promise<number | null> => {
    const sealed = await book.get(whose);
    if (sealed === null || !mayWrite(content, vmId, sealed.credential)) return null;
    const { provider } = whose;
    const parsed = parseContent(provider, content);
    if (!parsed.ok) throw new HearthError('credential_invalid', parsed.reason, { vmId });
    const secret = toSecret(content);
    // Taken over before, and the answer was lost; or put back as it was.
    if ((await book.reveal(sealed)).reveal() === secret.reveal()) return sealed.credential.version;
    const writer = { type: 'vm', vmId } as const;
    const facts = factsOf(parsed);
    const written = await book.write(whose, { kind: 'sign_in', writer, ...facts, ownerVmId: vmId }, secret);
    log('a tool refreshed its credential', { vmId, provider, version: written?.version });
    return written?.version ?? null;
  };

  return {
    held: async (vmId, provider, call) => {
      const vm = await host.get(vmId, options(`asking what ${vmId} holds`, call));
      return vm?.credentials.find((held) => held.provider === provider) ?? null;
    },
    put: async (vmId, whose, call) => {
      const sealed = await book.get(whose);
      if (sealed === null)
        throw new HearthError('credential_missing', `${whose.provider} is not connected`, { vmId });
      const { kind, version } = sealed.credential;
      const credential = fromSecret(await book.reveal(sealed), { provider: whose.provider, kind, version });
      // Recorded before it is there: whoever may write must be known whatever happens next.
      if (kind === 'sign_in') await book.change(whose, (now) => ownedBy(now, vmId));
      await host.putCredential(vmId, credential, options(`handing ${whose.provider} to ${vmId}`, call));
      log('a credential was handed over', { vmId, provider: whose.provider, kind, version });
    },
    take: async (vmId, whose, { digest }, call) => {
      const { provider } = whose;
      const content = await host.getCredential(
        vmId,
        provider,
        options(`reading ${provider} of ${vmId}`, call),
      );
      if (content === null) return;
      const version = await keep(vmId, whose, content);
      if (version === null) return;
      await host.keptCredential(
        vmId,
        provider,
        { version, digest },
        options(`telling ${vmId} what was kept`, call),
      );
    },
    drop: async (vmId, whose, call) => {
      const { provider } = whose;
      const last = await lastContent(() =>
        host.dropCredential(vmId, provider, options(`taking ${provider} out of ${vmId}`, call)),
      );
      try {
        if (last !== null) await keep(vmId, whose, last);
      } catch (error) {
        const { code, detail } = asHearthError(error);
        // It is erased already, so the version in the vault is all there is.
        log('what a VM held at its end was not taken into the vault', { vmId, provider, code, detail });
      }
      await book.change(whose, (now) => (now.ownerVmId === vmId ? ownedBy(now, null) : null));
    },
  };
}

/** A VM that is not there has nothing. */
async function lastContent(drop: () => Promise<GuestCredential | null>): Promise<GuestCredential | null> {
  try {
    return await drop();
  } catch (error) {
    if (error instanceof HearthError && error.code === 'not_found') return null;
    throw error;
  }
}
