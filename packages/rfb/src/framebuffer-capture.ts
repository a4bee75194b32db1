import type { RfbDialogue } from './dialogue.ts';
import type { ServerInit } from './handshake.ts';

/** A picture of the screen: 4 bytes a pixel (red, green, blue, 255), rows from the top. */
export interface Picture {
  width: number;
  height: number;
  rgba: Buffer;
}

/** After joinServer: asks for the whole screen in Raw and gives it as a picture. */
export function* capturePicture(_init: ServerInit): RfbDialogue<Picture> {
  yield { read: 1 };
  throw new Error('not built yet');
}
