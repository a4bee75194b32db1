import { RfbError, type RfbDialogue } from './dialogue.ts';
import { encodings, pseudoEncodings } from './encodings.ts';
import type { ServerInit } from './handshake.ts';
import { RGBX } from './pixel-format.ts';
import { readServerMessage, type Resize } from './server-messages.ts';
import { setDesktopSize, setEncodings, setPixelFormat, updateRequest } from './viewer-messages.ts';

const BY_THIS_VIEWER = 1;
const refusals: Record<number, string> = {
  1: 'it is forbidden',
  2: 'it has no resources for it',
  3: 'it finds the layout impossible',
};

/** After joinServer: asks for a screen of this size, and gives the size that it has then. Throws RfbError, also where the server refuses. */
export function* resizeScreen(
  init: ServerInit,
  width: number,
  height: number,
): RfbDialogue<{ width: number; height: number }> {
  yield { send: setPixelFormat(RGBX) };
  yield { send: setEncodings([encodings.raw, pseudoEncodings.extendedDesktopSize]) };
  // The first update tells the layout; a server that knows no ExtendedDesktopSize sends the pixel only.
  yield { send: updateRequest(false, 0, 0, 1, 1) };
  let screen = { width: init.width, height: init.height };
  const layout = yield* nextUpdate(screen);
  if (layout === undefined) throw new RfbError('the server can not resize its screen');
  screen = layout;
  yield { send: setDesktopSize(width, height, layout.screen) };
  for (;;) {
    yield { send: updateRequest(true, 0, 0, 1, 1) };
    const resize = yield* nextUpdate(screen);
    if (resize === undefined) continue;
    if (resize.reason === BY_THIS_VIEWER && resize.status !== 0)
      throw new RfbError(
        `the server refused ${width}x${height}: ${refusals[resize.status] ?? `status ${resize.status}`}`,
      );
    screen = resize;
    if (resize.reason === BY_THIS_VIEWER) return { width: resize.width, height: resize.height };
  }
}

/** Reads up to the end of an update; gives the resize that was in it. */
function* nextUpdate(screen: { width: number; height: number }): RfbDialogue<Resize | undefined> {
  const seen: { painted: boolean; resize?: Resize } = { painted: false };
  while (!seen.painted && seen.resize === undefined) {
    yield* readServerMessage({
      screen,
      onPixels: () => {
        seen.painted = true;
      },
      onResize: (resize) => {
        seen.resize = resize;
      },
    });
  }
  return seen.resize;
}
