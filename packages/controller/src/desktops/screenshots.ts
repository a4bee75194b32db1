import { startProgress, withAbort, type Log, type VmId } from '@hearth/contract';
import { capturePicture, type Picture } from '@hearth/rfb';
import type { HostLink } from '../host-link/host-link.ts';
import { connectDisplay, talk } from './connect-display.ts';
import { encodePng } from './png.ts';
import { scaledRows } from './thumbnail.ts';

/** A picture that is no older serves again. */
const FRESH_MS = 2000;
/** From the call to the picture; an emulated guest that is busy takes its time. */
const CAPTURE_TIMEOUT_MS = 20_000;
const ENCODE_TIMEOUT_MS = 10_000;

export interface ScreenshotsDeps {
  host: HostLink;
  log: Log;
  /** Ends what is under way when the controller ends. */
  signal: AbortSignal;
}

export interface Screenshots {
  /**
   * The screen of a ready browser VM as PNG, `width` wide where that is smaller. Calls at the same time share one
   * capture. Throws desktop_unreachable, desktop_garbled, desktop_ended, deadline_exceeded, and the reason of the signal.
   */
  take(vmId: VmId, width: number | undefined, signal: AbortSignal): Promise<Buffer>;
}

interface Shot {
  picture: Promise<Picture>;
  /** By width; 0: as large as the screen. */
  encoded: Map<number, Promise<Buffer>>;
}

export function createScreenshots({ host, log, signal }: ScreenshotsDeps): Screenshots {
  const shots = new Map<VmId, Shot>();

  const capture = async (vmId: VmId): Promise<Picture> => {
    const progress = startProgress({
      what: `a picture of the desktop of ${vmId}`,
      timeoutMs: CAPTURE_TIMEOUT_MS,
      signal,
      log,
    });
    const { socket, init, rest } = await connectDisplay(host, vmId, progress);
    try {
      return (await talk(socket, capturePicture(init), progress, rest)).value;
    } finally {
      socket.destroy();
    }
  };
  const begin = (vmId: VmId): Shot => {
    const shot: Shot = { picture: capture(vmId), encoded: new Map() };
    const forget = (): void => {
      if (shots.get(vmId) === shot) shots.delete(vmId);
    };
    shots.set(vmId, shot);
    shot.picture.then(() => setTimeout(forget, FRESH_MS).unref(), forget);
    return shot;
  };

  return {
    take: (vmId, width, caller) => {
      const shot = shots.get(vmId) ?? begin(vmId);
      const known = shot.encoded.get(width ?? 0);
      const png =
        known ??
        shot.picture.then((picture) => {
          const what = `encoding a picture of the desktop of ${vmId}`;
          const progress = startProgress({ what, timeoutMs: ENCODE_TIMEOUT_MS, signal });
          return encodePng(scaledRows(picture, width), progress.signal);
        });
      shot.encoded.set(width ?? 0, png);
      return withAbort(png, caller);
    },
  };
}
