import { Secret } from '@hearth/contract';

/** What opens one VM, from its start to its end or that of the daemon; handed over by the control channel only. */
export interface BootSecrets {
  token: Secret;
  vncPassword: Secret;
}

export function randomSecrets(randomBytes: (size: number) => Buffer): BootSecrets {
  return {
    // 256 bits.
    token: new Secret(randomBytes(32).toString('base64url')),
    // VncAuth takes eight characters and no more.
    vncPassword: new Secret(randomBytes(6).toString('base64url')),
  };
}
