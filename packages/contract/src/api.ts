import { z } from 'zod';
import { checkSchema } from './host-api.ts';
import { tokenIdSchema, userIdSchema } from './ids.ts';
import { vmSchema } from './vm.ts';

export const roles = ['admin', 'user'] as const;
export const roleSchema = z.enum(roles);
export type Role = z.infer<typeof roleSchema>;

/** GET /health: computed from real checks; needs no token and so says nothing of users and VMs. */
export const healthSchema = z.object({
  status: z.enum(['ok', 'degraded']),
  /** Seconds since the controller started. */
  uptime: z.number(),
  timestamp: z.iso.datetime(),
  version: z.string(),
  /** database, host daemon, and the host's own: disk, bridge, dnsmasq, firewall, image. */
  checks: z.array(checkSchema),
});
export type Health = z.infer<typeof healthSchema>;

/** GET /api/me */
export const meSchema = z.object({ userId: userIdSchema, name: z.string(), role: roleSchema });
export type Me = z.infer<typeof meSchema>;

const userNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._@-]{0,63}$/, 'expected lower-case letters, digits and . _ @ -');

/** POST /api/tokens (admin): makes the user where the name is new. */
export const createTokenSchema = z.strictObject({
  role: roleSchema,
  /** Whose token; a new user `user-…` where left out. */
  user: userNameSchema.optional(),
  /** Days until it expires; never where left out. */
  expiresInDays: z.number().int().positive().max(3650).optional(),
});
export type CreateToken = z.infer<typeof createTokenSchema>;

export const tokenSchema = z.object({
  id: tokenIdSchema,
  userId: userIdSchema,
  user: z.string(),
  role: roleSchema,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export type Token = z.infer<typeof tokenSchema>;
/** The only answer that ever holds the token itself. */
export const createdTokenSchema = tokenSchema.extend({ token: z.string() });

export const vmListSchema = z.object({ vms: z.array(vmSchema) });
export const tokenListSchema = z.object({ tokens: z.array(tokenSchema) });

/** POST /api/signin-links (admin): a link that signs one browser in, once, within its time. */
export const signinLinkSchema = z.object({ url: z.url(), expiresAt: z.iso.datetime() });

/** Events of GET /api/vms/:id/events (text/event-stream): `vm` with the whole VM, now and at every change. */
export const vmEventSchema = z.object({ type: z.literal('vm'), vm: vmSchema });

/**
 * Events of GET /api/vms/events (text/event-stream): a `vm` for each VM that is not deleted, then `listed`, then a `vm`
 * for every change of one of them, up to the state `deleted`; and for every new one.
 */
export const vmListEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('vm'), vm: vmSchema }),
  z.object({ type: z.literal('listed') }),
]);
export type VmListEvent = z.infer<typeof vmListEventSchema>;

/** POST /api/session: signs this browser in, by a token or by the code of a one-time link; the answer sets a cookie. */
export const createSessionSchema = z.union([
  z.strictObject({ token: z.string().min(1).max(200) }),
  z.strictObject({ code: z.string().regex(/^[A-Za-z0-9_-]{16,128}$/, 'is not the code of a sign-in link') }),
]);
export type CreateSession = z.infer<typeof createSessionSchema>;

/** Query of GET /api/vms/:id/console. */
export const consoleQuerySchema = z.strictObject({
  follow: z.stringbool().default(false),
  timestamps: z.stringbool().default(false),
});

/** Form of `hearth … bench --json`, the same for every bench. */
export const benchReportSchema = z.object({
  figures: z.array(
    z.object({ name: z.string(), value: z.number(), unit: z.string(), goal: z.string(), ok: z.boolean() }),
  ),
  machine: z.object({
    cpus: z.number(),
    cpuModel: z.string(),
    memMiB: z.number(),
    accelerator: z.string(),
    node: z.string(),
    date: z.string(),
  }),
});
export type BenchReport = z.infer<typeof benchReportSchema>;
