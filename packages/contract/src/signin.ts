import { z } from 'zod';
import { failureSchema } from './errors.ts';
import { signinIdSchema, userIdSchema, vmIdSchema } from './ids.ts';
import { signInMethods } from './providers/provider.ts';
import { providerIdSchema } from './providers/provider-id.ts';

/**
 * requested: recorded; starting: its browser VM is being made; ready: the VM is ready, the tool's login is being started;
 * awaiting_user: the person's turn, at the link or with a code; verifying: a credential is there, the tool's own status is asked and
 * the vault takes it; completed, failed, cancelled, expired: terminal, and never changed (F22).
 */
export const signinStates = [
  'requested',
  'starting',
  'ready',
  'awaiting_user',
  'verifying',
  'completed',
  'failed',
  'cancelled',
  'expired',
] as const;
export const signinStateSchema = z.enum(signinStates);
export type SigninState = (typeof signinStates)[number];
export const terminalSigninStates: readonly SigninState[] = ['completed', 'failed', 'cancelled', 'expired'];

export const loginMethods = ['browser', 'device_code', 'pasted_code'] as const;
export const loginMethodSchema = z.enum(loginMethods);

/** Body of POST /api/auth/start. */
export const startSigninSchema = z.strictObject({
  /** Whose sign-in; the caller's own where left out, another user's for an administrator. */
  userId: userIdSchema.optional(),
  provider: providerIdSchema,
  /** Default: the provider's first one that needs a VM. */
  method: loginMethodSchema.optional(),
});
export type StartSignin = z.infer<typeof startSigninSchema>;

/** What the API shows of a sign-in. */
export const signinSchema = z.object({
  sessionId: signinIdSchema,
  userId: userIdSchema,
  provider: providerIdSchema,
  method: loginMethodSchema,
  state: signinStateSchema,
  /** Counts every change. */
  version: z.number().int().nonnegative(),
  /** Its browser VM; gone after the end. */
  vmId: vmIdSchema.nullable(),
  browserIP: z.ipv4().nullable(),
  /** Page of the desktop, relative to this Hearth; null once the VM is gone. */
  novncURL: z.string().nullable(),
  /** The link at which the person signs in; null until the tool gave it. */
  oauthUrl: z.string().nullable(),
  /** What the person types at that link, with method device_code. */
  userCode: z.string().nullable(),
  /** The tool waits for a pasted code. */
  wantsCode: z.boolean(),
  /** The tool's own words on the last pasted code, where it refused it. */
  codeRefused: z.string().nullable(),
  /** The last lines that the tool printed, without secrets. */
  words: z.string(),
  /** Whose account it became, as far as the tool tells. */
  account: z.string().nullable(),
  /** Why it failed or expired. */
  failure: failureSchema.nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  /** When each state was reached. */
  timeline: z.array(z.object({ state: signinStateSchema, at: z.iso.datetime() })),
});
export type Signin = z.infer<typeof signinSchema>;

/** Answer of POST /api/auth/start and /api/auth/rotate: 201, or 200 where one was under way already. */
export const startedSigninSchema = signinSchema.extend({ success: z.literal(true) });
export const signinListSchema = z.object({ sessions: z.array(signinSchema) });
/** Events of GET /api/auth/session/:id/events: `signin` with the whole session, at once and at every change; ends at its end. */
export const signinEventSchema = z.object({ type: z.literal('signin'), signin: signinSchema });

/** GET …/oauth-url: 200 with the link, 202 without one while it may still come; 409 signin_ended where it can't. */
export const oauthUrlSchema = z.object({
  success: z.boolean(),
  sessionId: signinIdSchema,
  state: signinStateSchema,
  oauthUrl: z.string().nullable(),
  userCode: z.string().nullable(),
});

/** GET …/credentials/status */
export const credentialStatusSchema = z.object({
  sessionId: signinIdSchema,
  state: signinStateSchema,
  /** The credential is in the vault. */
  stored: z.boolean(),
});

/** POST …/open-url: opens the link on the desktop; the captured one where left out. url_not_allowed where the descriptor doesn't know it. */
export const openUrlSchema = z.strictObject({ url: z.string().max(8192).optional() });
/** POST …/paste-code */
export const pasteCodeSchema = z.strictObject({
  code: z
    .string()
    .trim()
    .min(1)
    .max(4096)
    // Printable ASCII without spaces: it is typed into a terminal.
    .regex(/^[!-~]+$/, 'expected the code as the page shows it, without spaces'),
});

/** GET /api/providers: the descriptors' plain part, and what the caller has of each. */
export const providerInfoSchema = z.object({
  id: providerIdSchema,
  title: z.string(),
  vendor: z.string(),
  policy: z.string(),
  methods: z.array(z.enum(signInMethods)),
  apiKeyVariable: z.string(),
});

/* Between controller, host and agent: PUT/GET /signin, GET /signin/events, POST /signin/code | open-url | cancel of the agent. */

/** PUT /signin: begins the login; the same session again gives its state; conflict while another one is under way. */
export const guestSigninOrderSchema = z.strictObject({
  sessionId: signinIdSchema,
  provider: providerIdSchema,
  method: loginMethodSchema,
  /** The host's clock, epoch ms: a guest whose clock is wrong is set right first (TLS and token times depend on it). */
  hostTimeMs: z.number(),
});
export type GuestSigninOrder = z.infer<typeof guestSigninOrderSchema>;

/** The agent's view of its one sign-in: the answer of PUT and GET /signin, and each line of GET /signin/events (at once, at every change, and at least every 5 s). */
export const guestSigninSchema = z.object({
  sessionId: signinIdSchema,
  provider: providerIdSchema,
  method: loginMethodSchema,
  /** signed_in: the credential file parses and the tool's own status agrees; read it over the control channel. */
  phase: z.enum(['starting', 'awaiting_user', 'verifying', 'signed_in', 'failed', 'cancelled']),
  oauthUrl: z.string().nullable(),
  userCode: z.string().nullable(),
  wantsCode: z.boolean(),
  codeRefused: z.string().nullable(),
  words: z.string(),
  account: z.string().nullable(),
  failure: failureSchema.nullable(),
});
export type GuestSignin = z.infer<typeof guestSigninSchema>;
