import { z } from 'zod';
import { errorTable, type ErrorCode } from './error-table.ts';
import { failureSchema } from './errors.ts';
import { viewerIdSchema } from './ids.ts';
import { geometrySchema } from './vm.ts';

/**
 * The desktop of a browser VM, as pages and programs see it:
 *   POST /api/vms/:id/desktop/ticket           createTicketSchema → 201 ticketSchema
 *   WS   /api/vms/:id/desktop/rfb?ticket=      RFB 3.8 in binary frames, security type None (the ticket was it)
 *   GET  /api/vms/:id/desktop/events           server-sent desktopEventSchema: the state at once and at every change, and notices
 *   POST /api/vms/:id/desktop/control          controlActionSchema → 200 desktopStateSchema
 *   GET  /api/vms/:id/desktop/screenshot.png   image/png; `width` makes it smaller
 *   GET  /api/vms/:id/desktop/downloads        downloadListSchema: the guest's Downloads folder
 *   PUT  /api/vms/:id/desktop/downloads/:name  bytes → 201 downloadSchema; a file that is there already is kept, the new one renamed
 *   GET  /api/vms/:id/desktop/downloads/:name  bytes, as an attachment
 *   GET  /api/vms/:id/desktop, /api/auth/session/:id/novnc   the page that shows it
 */
export const desktopLimits = {
  /** A ticket must be used within this time. */
  ticketLifetimeMs: 30_000,
  /** A viewer that lost its connection may take up its place, and the control that it had, within this time. */
  resumeMs: 20_000,
  /** A viewer that reads nothing for so long, while there is something for it, is dropped. */
  slowViewerMs: 15_000,
  /** Longest text of a clipboard, either way. */
  clipboardBytes: 1024 * 1024,
  /** Longest name of a file in Downloads. */
  fileNameBytes: 255,
} as const;

export const desktopModes = ['view', 'control'] as const;
/** view: watches, whatever it sends; control: may have the control. */
export const desktopModeSchema = z.enum(desktopModes);
export type DesktopMode = z.infer<typeof desktopModeSchema>;

export const createTicketSchema = z.strictObject({
  mode: desktopModeSchema.default('control'),
  /** A viewer that lost its connection and takes up its place again. */
  viewerId: viewerIdSchema.optional(),
  /** In mode `control`: take the control where nobody has it. */
  claim: z.boolean().default(true),
});
export type CreateTicket = z.infer<typeof createTicketSchema>;

/** Opens one connection to one desktop, once, within its time. */
export const ticketSchema = z.object({
  ticket: z.string(),
  /** Path of the WebSocket with the ticket in it. */
  path: z.string(),
  viewerId: viewerIdSchema,
  mode: desktopModeSchema,
  expiresAt: z.iso.datetime(),
});
export type Ticket = z.infer<typeof ticketSchema>;

export const viewerSchema = z.object({
  id: viewerIdSchema,
  /** Name of the user who watches. */
  user: z.string(),
  mode: desktopModeSchema,
  /** false: it lost its connection a moment ago and may come back. */
  connected: z.boolean(),
  since: z.iso.datetime(),
});
export type Viewer = z.infer<typeof viewerSchema>;

export const desktopStateSchema = z.object({
  viewers: z.array(viewerSchema),
  /** Whose keys, pointer, clipboard and window size reach the desktop. */
  controllerId: viewerIdSchema.nullable(),
  /** Viewers that ask for the control, in order. */
  requests: z.array(viewerIdSchema),
  /** Size of the screen now; null while nobody watches. */
  geometry: geometrySchema.nullable(),
});
export type DesktopState = z.infer<typeof desktopStateSchema>;

export const desktopEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('desktop'), desktop: desktopStateSchema }),
  /** Something that a viewer sent was not passed on; the connection goes on. */
  z.object({ type: z.literal('notice'), viewerId: viewerIdSchema, failure: failureSchema }),
]);
export type DesktopEvent = z.infer<typeof desktopEventSchema>;

/**
 * ask: for the control; decline: a request, by whoever has the control; give: the control, to another viewer that may have it;
 * take: at once, for the VM's owner and administrators, and for anybody where nobody has it; release: nobody has it then.
 */
export const controlActionSchema = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('ask'), viewerId: viewerIdSchema }),
  z.strictObject({ action: z.literal('take'), viewerId: viewerIdSchema }),
  z.strictObject({ action: z.literal('release'), viewerId: viewerIdSchema }),
  z.strictObject({ action: z.literal('give'), viewerId: viewerIdSchema, to: viewerIdSchema }),
  z.strictObject({ action: z.literal('decline'), viewerId: viewerIdSchema, to: viewerIdSchema }),
]);
export type ControlAction = z.infer<typeof controlActionSchema>;

/** Query of GET …/desktop/screenshot.png. */
export const screenshotQuerySchema = z.strictObject({
  /** Width of the picture in pixels where it is to be smaller than the screen; the height follows. */
  width: z.coerce.number().int().min(16).max(4096).optional(),
});

/** A name in Downloads: no path, nothing hidden, nothing unprintable. */
export const fileNameSchema = z
  .string()
  .min(1)
  .regex(/^[^/\\\u0000-\u001f\u007f]+$/, 'must be a name without path or control characters')
  .refine((name) => name !== '.' && name !== '..', 'must be a name, not a folder')
  .refine(
    (name) => new TextEncoder().encode(name).length <= desktopLimits.fileNameBytes,
    `must have at most ${desktopLimits.fileNameBytes} bytes`,
  );

export const downloadSchema = z.object({ name: z.string(), bytes: z.number().nonnegative() });
export type Download = z.infer<typeof downloadSchema>;
export const downloadListSchema = z.object({
  /** Newest first. */
  files: z.array(downloadSchema.extend({ modifiedAt: z.iso.datetime() })),
  /** true where there are more than are listed. */
  truncated: z.boolean(),
});
export type DownloadList = z.infer<typeof downloadListSchema>;

/** A WebSocket that ends by an error is closed with 4000 + its HTTP status, and its code as the reason. */
export const closeCodeOf = (code: ErrorCode): number => 4000 + errorTable[code].status;

/** The error that closed a WebSocket; null where it was none of ours (the network's, or an orderly end). */
export function errorOfClose(closeCode: number, reason: string): ErrorCode | null {
  if (!Object.hasOwn(errorTable, reason)) return null;
  const code = reason as ErrorCode;
  return closeCodeOf(code) === closeCode ? code : null;
}
