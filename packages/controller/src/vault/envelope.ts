import { HearthError, Secret } from '@hearth/contract';
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { z } from 'zod';

const KEY_BYTES = 32;
/** As NIST SP 800-38D has it for GCM. */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A secret under AES-256-GCM, as it lies in the database. */
export const envelopeSchema = z.strictObject({
  v: z.literal(1),
  keyId: z.string(),
  iv: z.base64(),
  tag: z.base64(),
  data: z.base64(),
});
export type Envelope = z.infer<typeof envelopeSchema>;

/** A key under which envelopes are; its id tells it from others, and nothing else. */
export interface MasterKey {
  readonly id: string;
  /** 32 bytes, base64. */
  readonly key: Secret;
}

/** Where an envelope belongs: it can't be opened in another place. */
export interface EnvelopePlace {
  rowId: string;
  version: number;
}

export function masterKey(bytes: Uint8Array): MasterKey {
  if (bytes.length !== KEY_BYTES)
    throw new HearthError('vault_failed', `a master key has ${KEY_BYTES} bytes, not ${bytes.length}`);
  // A hash of 256 random bits gives nothing of them away.
  const id = createHash('sha256').update('hearth master key').update(bytes).digest('hex').slice(0, 16);
  return { id, key: new Secret(Buffer.from(bytes).toString('base64')) };
}

export const newMasterKey = (randomBytes: (size: number) => Uint8Array): MasterKey =>
  masterKey(randomBytes(KEY_BYTES));

/** A key as text: base64, base64url or hex. Throws config_invalid, which doesn't quote it. */
export function parseMasterKey(text: Secret, where: string): MasterKey {
  const value = text.reveal().trim();
  const hex = /^[0-9a-f]{64}$/i.test(value);
  const base64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(value);
  if (!hex && !base64)
    throw new HearthError('config_invalid', `${where} is no key: expected 32 bytes as base64 or hex`, {
      hint: 'Make one with `openssl rand -base64 32`.',
    });
  return masterKey(Buffer.from(value, hex ? 'hex' : 'base64'));
}

export function seal(
  { id, key }: MasterKey,
  secret: Secret,
  place: EnvelopePlace,
  randomBytes: (size: number) => Uint8Array,
): Envelope {
  const iv = Buffer.from(randomBytes(IV_BYTES));
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.reveal(), 'base64'), iv, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(associatedData(place, id));
  const data = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()]);
  const text = (bytes: Buffer): string => bytes.toString('base64');
  return { v: 1, keyId: id, iv: text(iv), tag: text(cipher.getAuthTag()), data: text(data) };
}

/** Throws vault_failed where the envelope was altered, moved, or is under another key. */
export function open({ id, key }: MasterKey, envelope: Envelope, place: EnvelopePlace): Secret {
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      Buffer.from(key.reveal(), 'base64'),
      Buffer.from(envelope.iv, 'base64'),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(associatedData(place, id));
    decipher.setAuthTag(Buffer.from(envelope.tag, 'base64'));
    const data = Buffer.concat([decipher.update(Buffer.from(envelope.data, 'base64')), decipher.final()]);
    return new Secret(data.toString('utf8'));
  } catch (cause) {
    throw new HearthError('vault_failed', `the secret of ${place.rowId} was altered or is of another place`, {
      cause,
      hint: 'Sign in again; the row of the database was changed by something but Hearth.',
    });
  }
}

const associatedData = ({ rowId, version }: EnvelopePlace, keyId: string): Buffer =>
  Buffer.from(JSON.stringify([rowId, version, keyId]));
