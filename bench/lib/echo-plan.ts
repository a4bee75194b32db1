/** What both viewers do alike when they measure how long a key takes to be seen. */
export interface EchoPlan {
  /** Keys pressed one after the other, each once the one before was seen; a line break follows the last. */
  presses: number;
  /** Between an echo and the next key at least; as much again at most, by chance, so that no clock of the display is hit alike. */
  restMs: number;
  timeoutMs: number;
  /** Whatever changes more than so many pixels at once is no echo. */
  mostPixels: number;
}

/** Milliseconds of one echo. */
export interface Echo {
  /** From the key to the changed pixels in the viewer's own memory. */
  seenMs: number;
  /** From the key to the browser's next frame; null where there is no browser. */
  frameMs: number | null;
}
