import { HearthError } from '@hearth/contract';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The token of this boot; kept as a digest, in memory only. */
export interface TokenGate {
  set(token: string): void;
  /** Nobody is served until another one is set. */
  forget(): void;
  /** Throws HearthError: agent_not_configured before a token was set, unauthenticated without it. */
  check(request: IncomingMessage): void;
}

export function createTokenGate(): TokenGate {
  let expected: Buffer | undefined;
  return {
    set: (token) => {
      expected = digest(token);
    },
    forget: () => {
      expected = undefined;
    },
    check: ({ headers }) => {
      if (expected === undefined)
        throw new HearthError('agent_not_configured', 'the host has not sent `configure` yet');
      const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
      // Digests have one length, as the comparison in constant time needs.
      if (token === undefined || !timingSafeEqual(digest(token), expected))
        throw new HearthError(
          'unauthenticated',
          token === undefined ? 'the token is missing' : 'the token is not this boot’s',
          { hint: 'The agent serves its host daemon only; go through the API of the controller.' },
        );
    },
  };
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
