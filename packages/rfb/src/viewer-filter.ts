import type { EncodingPolicy } from './encodings.ts';
import type { PixelFormat } from './pixel-format.ts';

export interface ViewerFilterOptions {
  pixelFormat: PixelFormat;
  /** Asked at each message that would change something: may this viewer drive the desktop now? */
  mayControl: () => boolean;
  policy: EncodingPolicy;
  clipboardLimitBytes: number;
  /** A message was dropped for a reason that the viewer should be told. */
  onDropped: (reason: 'clipboard_too_large') => void;
}

/** Reads what a viewer sends after the handshake: strictly, message by message, passing on only what is allowed. */
export interface ViewerFilter {
  /** What may go on to the server, as few buffers as can be; views of `chunk` where nothing had to be changed. Throws RfbError. */
  push(chunk: Buffer): Buffer[];
  /** Key-up and button-up messages for whatever this viewer holds down, for the moment it loses the control. */
  release(): Buffer;
  pixelFormat(): PixelFormat;
}

export function createViewerFilter(_options: ViewerFilterOptions): ViewerFilter {
  throw new Error('not built yet');
}
