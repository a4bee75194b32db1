import { useEffect, useState } from 'react';
import { serverNowMs } from '../api/server-clock.ts';

/** The server's time, new every so often while the page is looked at; nothing is asked for it. */
export function useTicking(everyMs: number, enabled = true): number {
  const [nowMs, setNowMs] = useState(serverNowMs);
  useEffect(() => {
    if (!enabled) return;
    const tick = (): void => {
      if (document.visibilityState === 'visible') setNowMs(serverNowMs());
    };
    tick();
    const timer = setInterval(tick, everyMs);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [everyMs, enabled]);
  return nowMs;
}
