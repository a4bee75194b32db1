import type RFB from '@novnc/novnc';

export const fits = ['resize', 'scale', 'actual'] as const;
/** resize: the screen takes the window's size; scale: the picture does; actual: neither, the picture can be dragged. */
export type Fit = (typeof fits)[number];

export const fitWords: Readonly<Record<Fit, { label: string; explained: string }>> = {
  resize: { label: 'Resize the screen', explained: 'The desktop takes the size of this window' },
  scale: { label: 'Scale the picture', explained: 'The desktop keeps its size' },
  actual: { label: '1 : 1', explained: 'Every pixel as it is' },
};

/** The window must have kept its size for so long before the desktop follows: each step of a drag would cost a repaint. */
const SETTLED_MS = 300;

/** What noVNC paints into, and the WebSocket that it speaks over. */
export interface View {
  rfb: RFB;
  target: HTMLElement;
  socket: WebSocket;
}

/** Browsers make their windows no narrower: on a narrower screen a part of the page would be out of reach. */
const NARROWEST = 500;

/**
 * Makes noVNC fit that way. Scaling stays on while resizing: the guest may refuse, or be slow. A phone's window is too narrow
 * for a desktop: the screen takes its shape then, and the picture is scaled.
 */
export function applyFit({ rfb, target, socket }: View, fit: Fit): void {
  const { clientWidth, clientHeight } = target;
  const narrow = clientWidth < NARROWEST;
  rfb.scaleViewport = fit !== 'actual';
  rfb.clipViewport = fit === 'actual';
  rfb.resizeSession = fit === 'resize' && !narrow;
  if (fit !== 'resize' || !narrow || rfb.viewOnly || socket.readyState !== WebSocket.OPEN) return;
  socket.send(setDesktopSize(NARROWEST, Math.round((clientHeight * NARROWEST) / Math.max(1, clientWidth))));
}

/** SetDesktopSize of RFB (rfbproto, ExtendedDesktopSize): one screen of this size. noVNC asks for the window's own size only. */
export function setDesktopSize(width: number, height: number): Uint8Array<ArrayBuffer> {
  const message = new DataView(new ArrayBuffer(24));
  message.setUint8(0, 251);
  message.setUint16(2, width);
  message.setUint16(4, height);
  message.setUint8(6, 1);
  message.setUint16(16, width);
  message.setUint16(18, height);
  return new Uint8Array(message.buffer);
}

/** Lets the desktop follow the window only once that has settled. @returns ends it */
export function resizeWhenSettled(view: View, fit: () => Fit): () => void {
  const { rfb, target } = view;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let first = true;
  const observer = new ResizeObserver(() => {
    // Observing tells the present size at once.
    if (first) {
      first = false;
      return;
    }
    rfb.resizeSession = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Setting it asks for the size at once.
      applyFit(view, fit());
    }, SETTLED_MS);
  });
  observer.observe(target);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
