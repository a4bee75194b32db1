import { RfbError } from './dialogue.ts';

/** What either side may claim; neither is trusted. */
export const MAX_SCREEN_SIDE = 16_384;
/** 8K fits; a picture of it takes 128 MiB. */
export const MAX_SCREEN_PIXELS = 2 ** 25;
/** Longest name of a desktop, and longest reason of a refusal. */
export const MAX_TEXT_BYTES = 4096;
/** Set by the protocol (Fence). */
export const MAX_FENCE_BYTES = 64;

/** Throws RfbError where no screen can have this size. */
export function checkScreenSize(width: number, height: number): void {
  if (
    width === 0 ||
    height === 0 ||
    width > MAX_SCREEN_SIDE ||
    height > MAX_SCREEN_SIDE ||
    width * height > MAX_SCREEN_PIXELS
  )
    throw new RfbError(`impossible geometry ${width}x${height}`);
}
