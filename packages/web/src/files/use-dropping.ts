import { useEffect, useRef, useState } from 'react';

/**
 * Files dropped anywhere on the page.
 * @returns whether files are being dragged over it
 */
export function useDropping(enabled: boolean, onFiles: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    if (!enabled) return;
    const ending = new AbortController();
    const on = (
      type: 'dragenter' | 'dragover' | 'dragleave' | 'drop',
      handle: (event: DragEvent) => void,
    ): void =>
      window.addEventListener(
        type,
        (event) => {
          if (event.dataTransfer?.types.includes('Files') !== true) return;
          event.preventDefault();
          handle(event);
        },
        { signal: ending.signal },
      );
    // Each element that is entered tells so; the page is left with the last.
    let depth = 0;
    on('dragenter', () => {
      depth += 1;
      setOver(true);
    });
    on('dragover', (event) => {
      if (event.dataTransfer !== null) event.dataTransfer.dropEffect = 'copy';
    });
    on('dragleave', () => {
      depth -= 1;
      if (depth <= 0) setOver(false);
    });
    on('drop', (event) => {
      depth = 0;
      setOver(false);
      latest.current([...(event.dataTransfer?.files ?? [])]);
    });
    return () => {
      ending.abort();
      setOver(false);
    };
  }, [enabled]);
  return over;
}
