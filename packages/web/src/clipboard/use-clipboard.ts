import { useCallback, useEffect, useRef, useState } from 'react';
import type { DesktopConnection } from '../desktop/connection.ts';
import type { Say } from '../desktop/toasts.tsx';
import { tooLarge } from './clipboard-limit.ts';

export interface SharedClipboard {
  /** What the desktop's clipboard holds, as far as this page knows. */
  text: string;
  /** Puts a text on the desktop's clipboard. @returns why not, or null */
  send: (text: string) => string | null;
  /** Takes what the desktop put there. */
  take: (text: string) => void;
}

/** Pages that are not in a secure context (plain http from another machine) have none. */
export const browserClipboard = (): Clipboard | null =>
  (navigator as { clipboard?: Clipboard }).clipboard ?? null;

/** Both clipboards; while `share` holds they follow each other whenever the page has the focus. */
export function useClipboard(
  connection: DesktopConnection | null,
  able: boolean,
  share: boolean,
  onShareRefused: (why: string) => void,
  say: Say,
): SharedClipboard {
  const [text, setText] = useState('');
  const known = useRef('');
  const remember = useCallback((next: string): void => {
    known.current = next;
    setText(next);
  }, []);
  const send = useCallback(
    (next: string): string | null => {
      const refused = tooLarge(next);
      if (refused !== null) return refused;
      connection?.paste(next);
      remember(next);
      return null;
    },
    [connection, remember],
  );
  const refuse = useRef(onShareRefused);
  refuse.current = onShareRefused;

  useEffect(() => {
    if (!share || !able) return;
    const ending = new AbortController();
    const bring = async (): Promise<void> => {
      if (!document.hasFocus()) return;
      let here: string;
      try {
        here = (await browserClipboard()?.readText()) ?? '';
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
        // The focus may have gone meanwhile: that is no refusal.
        if (document.hasFocus()) refuse.current('The browser doesn’t let this page read your clipboard.');
        return;
      }
      if (here === '' || here === known.current || ending.signal.aborted) return;
      const refused = send(here);
      if (refused !== null) {
        known.current = here;
        say({ text: refused, bad: true });
      }
    };
    const begin = (): void => void bring();
    begin();
    window.addEventListener('focus', begin, { signal: ending.signal });
    return () => ending.abort();
  }, [share, able, send, say]);

  const take = (next: string): void => {
    remember(next);
    if (!share || !document.hasFocus()) return;
    browserClipboard()
      ?.writeText(next)
      .catch(() => refuse.current('The browser doesn’t let this page write to your clipboard.'));
  };
  return { text, send, take };
}
