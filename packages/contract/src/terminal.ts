import { z } from 'zod';
import { terminalIdSchema, vmIdSchema } from './ids.ts';
import { providerIdSchema } from './providers/provider-id.ts';

export const terminalLimits = {
  /** Of one VM at once. */
  terminals: 16,
  /** Of one terminal at once. */
  viewers: 16,
  scrollbackLines: 5000,
  /** A viewer that lags behind by more is not sent what it missed, but the screen anew once it reads again. */
  lagBytes: 1024 * 1024,
} as const;

const sizeSchema = { cols: z.int().min(2).max(1000), rows: z.int().min(1).max(500) };
export const terminalSizeSchema = z.object(sizeSchema);
export type TerminalSize = z.infer<typeof terminalSizeSchema>;

/**
 * Body of POST /api/vms/:id/terminals (and of POST /api/terminals for the person's own CLI VM), and POST /terminals of the agent.
 * The credentials of all providers that the person connected are in the VM before it opens.
 */
export const createTerminalSchema = z.strictObject({
  /** Start this tool instead of a login shell. */
  provider: providerIdSchema.optional(),
  /** Absolute, inside the home. Default: the home. */
  cwd: z.string().startsWith('/').optional(),
  cols: sizeSchema.cols.default(80),
  rows: sizeSchema.rows.default(24),
});
export type CreateTerminal = z.infer<typeof createTerminalSchema>;

export const terminalSchema = z.object({
  id: terminalIdSchema,
  provider: providerIdSchema.nullable(),
  /** As the program in it set it. */
  title: z.string(),
  createdAt: z.iso.datetime(),
  ...sizeSchema,
  viewers: z.number().int(),
  /** null while it runs. An ended one is listed until it is removed, or the VM stops. */
  exitCode: z.number().int().nullable(),
});
export type Terminal = z.infer<typeof terminalSchema>;
export const terminalListSchema = z.object({ terminals: z.array(terminalSchema) });
/** Of the API: with its VM. */
export const openedTerminalSchema = terminalSchema.extend({ vmId: vmIdSchema });
/** POST /api/vms/:id/terminals/:terminalId/ticket: `path` of the WebSocket, good for one connection within 30 seconds. */
export const terminalTicketSchema = z.object({
  ticket: z.string(),
  path: z.string(),
  expiresAt: z.iso.datetime(),
});

/** Value of `Upgrade` with which the host daemon (GET /v1/vms/:id/terminals/:terminalId/attach) and the agent (GET /terminals/:id/attach) open one. */
export const TERMINAL_PROTOCOL = 'hearth-terminal';
/** Subprotocol of the WebSocket: binary messages are bytes of the terminal, text messages are JSON of these schemas. */
export const TERMINAL_SUBPROTOCOL = 'hearth-terminal.v1';
/** Between agent, host and controller each message is framed: type (1 byte), length of the payload (4 bytes, big endian), payload. */
export const terminalFrame = { bytes: 0, json: 1, maxPayloadBytes: 1024 * 1024 } as const;

/** Viewer to terminal. */
export const terminalInputSchema = z.discriminatedUnion('type', [
  /** The viewer's window has this size; the terminal takes that of whoever resized or typed last. */
  z.object({ type: z.literal('resize'), ...sizeSchema }),
]);
export type TerminalInput = z.infer<typeof terminalInputSchema>;
/** Terminal to viewer. */
export const terminalNoticeSchema = z.discriminatedUnion('type', [
  /** Forget what is on the screen; bytes that follow draw screen and scroll-back anew. First of all, and after a lag. */
  z.object({ type: z.literal('reset'), ...sizeSchema }),
  z.object({ type: z.literal('size'), ...sizeSchema }),
  z.object({ type: z.literal('viewers'), count: z.number().int() }),
  z.object({ type: z.literal('title'), title: z.string() }),
  z.object({ type: z.literal('exit'), exitCode: z.number().int() }),
]);
export type TerminalNotice = z.infer<typeof terminalNoticeSchema>;
