import { z } from 'zod';

/** Crockford-like lower-case alphabet without look-alikes (i, l, o, u). */
export const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

const idPattern = (prefix: string): RegExp => new RegExp(`^${prefix}-[${ID_ALPHABET}]{12}$`);

export const vmIdSchema = z.string().regex(idPattern('vm'), 'expected vm- and 12 characters').brand<'VmId'>();
export const userIdSchema = z
  .string()
  .regex(idPattern('usr'), 'expected usr- and 12 characters')
  .brand<'UserId'>();
export const tokenIdSchema = z
  .string()
  .regex(idPattern('tok'), 'expected tok- and 12 characters')
  .brand<'TokenId'>();
export const execIdSchema = z
  .string()
  .regex(idPattern('ex'), 'expected ex- and 12 characters')
  .brand<'ExecId'>();
export const viewerIdSchema = z
  .string()
  .regex(idPattern('vw'), 'expected vw- and 12 characters')
  .brand<'ViewerId'>();
export const signinIdSchema = z
  .string()
  .regex(idPattern('sgn'), 'expected sgn- and 12 characters')
  .brand<'SigninId'>();
export const credentialIdSchema = z
  .string()
  .regex(idPattern('crd'), 'expected crd- and 12 characters')
  .brand<'CredentialId'>();
export const runIdSchema = z
  .string()
  .regex(idPattern('run'), 'expected run- and 12 characters')
  .brand<'RunId'>();
export const terminalIdSchema = z
  .string()
  .regex(idPattern('trm'), 'expected trm- and 12 characters')
  .brand<'TerminalId'>();
/** Correlation id: taken from the client's `x-request-id` where it is well formed, else made. */
export const requestIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{8,64}$/)
  .brand<'RequestId'>();
export const imageIdSchema = z
  .string()
  .regex(/^img-[0-9a-f]{12}$/, 'expected img- and 12 hex digits')
  .brand<'ImageId'>();

/** A golden snapshot: `snp-` and 12 hex digits. */
export const snapshotIdSchema = z
  .string()
  .regex(/^snp-[0-9a-f]{12}$/, 'expected snp- and 12 hex digits')
  .brand<'SnapshotId'>();

export type VmId = z.infer<typeof vmIdSchema>;
export type UserId = z.infer<typeof userIdSchema>;
export type TokenId = z.infer<typeof tokenIdSchema>;
export type ExecId = z.infer<typeof execIdSchema>;
export type ViewerId = z.infer<typeof viewerIdSchema>;
export type SigninId = z.infer<typeof signinIdSchema>;
export type CredentialId = z.infer<typeof credentialIdSchema>;
export type RunId = z.infer<typeof runIdSchema>;
export type TerminalId = z.infer<typeof terminalIdSchema>;
export type RequestId = z.infer<typeof requestIdSchema>;
export type ImageId = z.infer<typeof imageIdSchema>;
export type SnapshotId = z.infer<typeof snapshotIdSchema>;

export type IdPrefix = 'vm' | 'usr' | 'tok' | 'ex' | 'vw' | 'req' | 'sgn' | 'crd' | 'run' | 'trm';

/**
 * 60 random bits behind a prefix.
 * @param randomBytes source of randomness, an argument so that tests are repeatable
 */
export function makeId(prefix: IdPrefix, randomBytes: (size: number) => Uint8Array): string {
  let text = '';
  for (const byte of randomBytes(12)) text += ID_ALPHABET.charAt(byte % ID_ALPHABET.length);
  return `${prefix}-${text}`;
}
