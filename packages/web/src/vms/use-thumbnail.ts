import { HearthError } from '@hearth/contract';
import { useEffect, useRef, useState, type RefObject } from 'react';
import { send } from '../api/request.ts';

const REFRESH_MS = 30_000;
/** A card that goes at once, because its desktop opens, takes no picture from it. */
const SETTLE_MS = 500;

/** A picture of the VM's screen as a blob address, new every 30 s while it is in sight; null before the first. */
export function useThumbnail(
  id: string,
  width: number,
): { box: RefObject<HTMLDivElement | null>; url: string | null } {
  const box = useRef<HTMLDivElement>(null);
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    let inSight = false;
    let takenMs = -Infinity;
    let busy = false;
    let current: string | null = null;
    const take = async (): Promise<void> => {
      if (busy || !inSight || document.visibilityState !== 'visible') return;
      if (performance.now() - takenMs < REFRESH_MS - 1000) return;
      busy = true;
      takenMs = performance.now();
      try {
        const answer = await send('GET', `/api/vms/${id}/desktop/screenshot.png?width=${width}`, {
          signal: leaving.signal,
        });
        const next = URL.createObjectURL(await answer.blob());
        if (current !== null) URL.revokeObjectURL(current);
        current = next;
        setUrl(next);
      } catch (error) {
        // The old picture stays, the next round tries again: what is wrong with the VM its state tells.
        if (!(error instanceof HearthError) && !leaving.signal.aborted) throw error;
      } finally {
        busy = false;
      }
    };
    const again = (): void => void take();
    let settling: ReturnType<typeof setTimeout> | undefined;
    const timer = setInterval(again, REFRESH_MS);
    document.addEventListener('visibilitychange', again, { signal: leaving.signal });
    const observer = new IntersectionObserver(([entry]) => {
      inSight = entry?.isIntersecting ?? false;
      clearTimeout(settling);
      settling = setTimeout(again, SETTLE_MS);
    });
    if (box.current !== null) observer.observe(box.current);
    return () => {
      leaving.abort();
      clearInterval(timer);
      clearTimeout(settling);
      observer.disconnect();
      if (current !== null) URL.revokeObjectURL(current);
    };
  }, [id, width]);
  return { box, url };
}
