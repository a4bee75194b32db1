import type { RfbDialogue } from './dialogue.ts';
import type { PixelFormat } from './pixel-format.ts';

/** What a server says of itself when a session begins. */
export interface ServerInit {
  width: number;
  height: number;
  pixelFormat: PixelFormat;
  name: string;
}

/** The viewer's side up to ServerInit, as a shared session; VncAuth where a password is given, else security type None. */
export function* joinServer(_password: string | null): RfbDialogue<ServerInit> {
  yield { read: 12 };
  throw new Error('not built yet');
}

/** The server's side towards a viewer that was let in already: version 3.8, security type None, ServerInit as given. */
export function* welcomeViewer(_init: ServerInit): RfbDialogue<void> {
  yield { read: 12 };
  throw new Error('not built yet');
}
