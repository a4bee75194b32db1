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

/** Makes noVNC fit that way. Scaling stays on while resizing: the guest may refuse, or be slow. */
export function applyFit(rfb: RFB, fit: Fit): void {
  rfb.scaleViewport = fit !== 'actual';
  rfb.clipViewport = fit === 'actual';
  rfb.resizeSession = fit === 'resize';
}

/** Lets the desktop follow the window only once that has settled. @returns ends it */
export function resizeWhenSettled(rfb: RFB, target: HTMLElement, fit: () => Fit): () => void {
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
      if (fit() === 'resize') rfb.resizeSession = true;
    }, SETTLED_MS);
  });
  observer.observe(target);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
