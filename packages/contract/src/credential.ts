import { z } from 'zod';
import { credentialIdSchema, runIdSchema, signinIdSchema, userIdSchema, vmIdSchema } from './ids.ts';
import { providerIdSchema } from './providers/provider-id.ts';

/** sign_in: files that a tool's login wrote, with one owner at a time; api_key: a variable, shared by all VMs of its person. */
export const credentialKinds = ['sign_in', 'api_key'] as const;
/**
 * valid: runs use it; refused: the provider said 401 repeatedly, so runs wait until the person has signed in again;
 * removed: it is in the vault no longer.
 */
export const credentialStates = ['valid', 'refused', 'removed'] as const;
export type CredentialState = (typeof credentialStates)[number];

/** Metadata; no call ever returns a secret. One for each user and provider. */
export const credentialSchema = z.object({
  id: credentialIdSchema,
  userId: userIdSchema,
  provider: providerIdSchema,
  kind: z.enum(credentialKinds),
  state: z.enum(credentialStates),
  /** Of the secret: 1 for the first, one more for each that replaced it. */
  version: z.number().int().positive(),
  account: z.string().nullable(),
  createdAt: z.iso.datetime(),
  /** When this version was written. */
  updatedAt: z.iso.datetime(),
  /** When the tool last refreshed it by itself in a VM. */
  refreshedAt: z.iso.datetime().nullable(),
  /** When the access token ends; the tool refreshes it by itself where it can. */
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
  /** Of the last 20 runs with it: how many the provider refused (401), 0 to 1; null before the first. */
  refusalRate: z.number().min(0).max(1).nullable(),
  /** Refusals in a row. */
  refusals: z.number().int().nonnegative(),
  /** The VM that has it now, and so may refresh it; null: none, or an API key. */
  ownerVmId: vmIdSchema.nullable(),
  /** Who wrote each version, newest first. */
  versions: z.array(
    z.object({
      version: z.number().int().positive(),
      at: z.iso.datetime(),
      writer: z.discriminatedUnion('type', [
        z.object({ type: z.literal('sign_in'), sessionId: signinIdSchema }),
        z.object({ type: z.literal('vm'), vmId: vmIdSchema }),
        z.object({ type: z.literal('api_key'), userId: userIdSchema }),
      ]),
    }),
  ),
});
export type Credential = z.infer<typeof credentialSchema>;
export const credentialListSchema = z.object({ credentials: z.array(credentialSchema) });
/** Events of GET /api/auth/credentials/events: the caller's, then `listed`, then every change; `removed` is the last of one. */
export const credentialEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('credential'), credential: credentialSchema }),
  z.object({ type: z.literal('listed') }),
]);

/** POST /api/auth/api-key: keeps a key in the vault; an equal first choice beside a sign-in. Answers with the metadata. */
export const storeApiKeySchema = z.strictObject({
  userId: userIdSchema.optional(),
  provider: providerIdSchema,
  apiKey: z
    .string()
    .trim()
    .min(8)
    .max(4096)
    .regex(/^[!-~]+$/, 'expected one word without spaces'),
});
/** POST /api/auth/rotate: signs in anew in place of the present credential; with `apiKey` (for kind api_key) replaces the key at once. */
export const rotateCredentialSchema = z.strictObject({
  userId: userIdSchema.optional(),
  provider: providerIdSchema,
  apiKey: storeApiKeySchema.shape.apiKey.optional(),
});
/** POST /api/vault/rotate (admin): every secret is encrypted anew with a new master key. */
export const vaultRotatedSchema = z.object({ keyId: z.string(), reencrypted: z.number().int() });

/* Over the control channel, host ↔ guest, and on the host daemon's API. Never logged. */

export const credentialFileSchema = z.object({
  /** Relative to the home, one of the descriptor's. */
  path: z
    .string()
    .regex(/^[\w.][\w./-]*$/)
    .refine((path) => !path.split('/').includes('..'), 'must not leave the home'),
  contentBase64: z.base64().max(350_000),
});
/** A credential on its way into a VM. */
export const guestCredentialSchema = z.strictObject({
  provider: providerIdSchema,
  kind: z.enum(credentialKinds),
  /** The vault's version; 0: it arose in this VM (a sign-in), the vault doesn't know it yet. */
  version: z.number().int().nonnegative(),
  /** For sign_in. */
  files: z.array(credentialFileSchema).max(8),
  /** For api_key: variables of every run and terminal of the provider. */
  env: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string().max(8192)),
});
export type GuestCredential = z.infer<typeof guestCredentialSchema>;

/** What the host may know of a credential in a VM: no secret. */
export const heldCredentialSchema = z.object({
  provider: providerIdSchema,
  kind: z.enum(credentialKinds),
  /** As it was handed over; 0: it arose here. */
  version: z.number().int().nonnegative(),
  /** sha256 over the files' paths and bytes, hex: another one than when it was handed over means that the tool rewrote it. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** The files are whole and parse; one that is being written, truncated or is not JSON is not taken. */
  intact: z.boolean(),
  /** It differs from what was handed over. */
  changed: z.boolean(),
});
export type HeldCredential = z.infer<typeof heldCredentialSchema>;

/** How the end of a run with a credential is counted. */
export type CredentialVerdict = { runId: z.infer<typeof runIdSchema>; refused: boolean };
