export const qualityChoices = ['auto', 'sharp', 'balanced', 'low'] as const;
export type QualityChoice = (typeof qualityChoices)[number];
type Quality = Exclude<QualityChoice, 'auto'>;

/** Levels of RFB's JPEG quality (9: best) and compression (9: smallest, most work). */
const levels: Readonly<Record<Quality, { qualityLevel: number; compressionLevel: number }>> = {
  sharp: { qualityLevel: 9, compressionLevel: 1 },
  balanced: { qualityLevel: 6, compressionLevel: 2 },
  low: { qualityLevel: 2, compressionLevel: 6 },
};

export const qualityWords: Readonly<Record<QualityChoice, { label: string; explained: string }>> = {
  auto: { label: 'Auto', explained: 'Follows the connection' },
  sharp: { label: 'Sharp', explained: 'Every pixel; for fast networks' },
  balanced: { label: 'Balanced', explained: 'Slightly softer, less data' },
  low: { label: 'Low bandwidth', explained: 'Soft pictures, least data' },
};

export const levelsOf = (quality: Quality): { qualityLevel: number; compressionLevel: number } =>
  levels[quality];

/** Round trips beyond which less is asked for, and a smaller one at which more is asked for again. */
const steps: readonly { worse: Quality; aboveMs: number; backBelowMs: number }[] = [
  { worse: 'balanced', aboveMs: 120, backBelowMs: 60 },
  { worse: 'low', aboveMs: 400, backBelowMs: 200 },
];
const ranking: readonly Quality[] = ['sharp', 'balanced', 'low'];

/** The quality that fits a round trip; it stays where it is between two limits, so that it doesn't flutter. */
export function fittingQuality(now: Quality, roundTripMs: number): Quality {
  const at = ranking.indexOf(now);
  const down = steps[at];
  if (down !== undefined && roundTripMs > down.aboveMs) return down.worse;
  const up = steps[at - 1];
  if (up !== undefined && roundTripMs < up.backBelowMs) return ranking[at - 1] ?? now;
  return now;
}
