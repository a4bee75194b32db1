import { desktopLimits } from '@hearth/contract';
import { formatBytes } from '../files/bytes.ts';

/** Why a text can't go to the desktop's clipboard; null where it can. */
export function tooLarge(text: string): string | null {
  // No text has fewer bytes than characters: the costly count is made only where it may matter.
  const bytes =
    text.length > desktopLimits.clipboardBytes ? text.length : new TextEncoder().encode(text).length;
  return bytes <= desktopLimits.clipboardBytes
    ? null
    : `This text has ${formatBytes(bytes)}; a clipboard holds ${formatBytes(desktopLimits.clipboardBytes)}. Save it as a file and drop that on the page.`;
}
