import { useEffect, useState } from 'react';

/** Keys that the system keeps otherwise (Alt+Tab, Super); only Chromium's family has it, in full screen. */
interface LockableKeyboard {
  lock?: () => Promise<void>;
}

/** @param whole what fills the screen then */
export function useFullScreen(
  whole: () => Element,
  onRefused: (why: string) => void,
): { fullScreen: boolean; toggle: () => void } {
  const [fullScreen, setFullScreen] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const note = (): void => setFullScreen(document.fullscreenElement !== null);
    document.addEventListener('fullscreenchange', note);
    return () => document.removeEventListener('fullscreenchange', note);
  }, []);
  const change = async (): Promise<void> => {
    if (document.fullscreenElement !== null) {
      await document.exitFullscreen();
      return;
    }
    await whole().requestFullscreen();
    await (navigator as { keyboard?: LockableKeyboard }).keyboard?.lock?.();
  };
  return {
    fullScreen,
    toggle: () => {
      change().catch((error: unknown) => {
        onRefused(
          `The browser allows no full screen: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
    },
  };
}
