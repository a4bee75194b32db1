import { HearthError, pause, type GuestSignin } from '@hearth/contract';
import type { World } from '../clock.ts';
import type { CredentialBook } from '../credentials/credential-book.ts';
import { requireContent, toSecret } from '../credentials/guest-secret.ts';
import { factsOf } from '../domain/credentials/credential-record.ts';
import { advanceSignin, type SigninRecord } from '../domain/signins/signin-record.ts';
import type { CallOptions, HostLink } from '../host-link/host-link.ts';
import { updateSignin } from '../store/signins.ts';
import type { SigninBook } from './signin-book.ts';

/** A file may be read while the tool writes it. */
const READ_TRIES = 5;
const READ_PAUSE_MS = 500;

export interface CompletionDeps {
  book: SigninBook;
  credentials: CredentialBook;
  host: HostLink;
  world: World;
}

/**
 * Takes what the login yielded into the vault and completes the sign-in: one transaction, so never one without the other, and
 * durable before the VM is touched (F21). Does nothing where the sign-in ended meanwhile. Throws credential_invalid,
 * vault_failed, and what the host says.
 */
export type Complete = (
  signin: SigninRecord,
  guest: Pick<GuestSignin, 'account'>,
  options: CallOptions,
) => Promise<void>;

export function createCompletion({ book, credentials, host, world }: CompletionDeps): Complete {
  const read = async ({ vmId, provider }: SigninRecord, options: CallOptions) => {
    if (vmId === null) throw new HearthError('internal', 'a sign-in without a VM has no credential');
    for (let tries = 1; ; tries += 1) {
      try {
        return requireContent(provider, await host.getCredential(vmId, provider, options));
      } catch (error) {
        const invalid = error instanceof HearthError && error.code === 'credential_invalid';
        if (!invalid || tries === READ_TRIES) throw error;
      }
      await pause(READ_PAUSE_MS, options.signal);
    }
  };
  return async (seen, { account }, options) => {
    const { sessionId, userId, provider } = seen;
    const { content, parsed } = await read(seen, options);
    const facts = factsOf(parsed);
    await credentials.alone({ userId, provider }, async () => {
      const signin = await book.get(sessionId);
      const done = signin === null ? null : advanceSignin(signin, 'stored', world.now());
      if (signin === null || done === null) return;
      const completed = { ...done, account: account ?? facts.account };
      const written = await credentials.write(
        { userId, provider },
        {
          kind: 'sign_in',
          writer: { type: 'sign_in', sessionId },
          account: completed.account,
          expiresAtMs: facts.expiresAtMs,
          ownerVmId: null,
        },
        toSecret(content),
        (tx) => updateSignin(tx, completed, signin.version),
      );
      // null: it changed meanwhile; whoever follows it looks again.
      if (written !== null) book.publish(completed);
    });
  };
}
