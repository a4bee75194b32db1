import { fits, type Fit } from './fit.ts';
import { qualityChoices, type QualityChoice } from './quality.ts';

/** How this browser likes to see desktops; kept in it. */
export interface Preferences {
  fit: Fit;
  quality: QualityChoice;
  /** Both clipboards are kept the same without a click, where the browser allows it. */
  shareClipboard: boolean;
}

const KEY = 'hearth-desktop';
const usual: Preferences = { fit: 'resize', quality: 'auto', shareClipboard: false };

export function readPreferences(): Preferences {
  const kept: unknown = parse(localStorage.getItem(KEY) ?? '{}');
  if (typeof kept !== 'object' || kept === null) return usual;
  const { fit, quality, shareClipboard } = kept as Record<string, unknown>;
  return {
    fit: fits.find((known) => known === fit) ?? usual.fit,
    quality: qualityChoices.find((known) => known === quality) ?? usual.quality,
    shareClipboard: shareClipboard === true,
  };
}

export function keepPreferences(preferences: Preferences): void {
  localStorage.setItem(KEY, JSON.stringify(preferences));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
