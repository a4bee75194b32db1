import { expect, it } from 'vitest';
import { fittingQuality } from './quality.ts';

it('goes down a step where the round trip is long, and back only once it is clearly short', () => {
  let quality: 'sharp' | 'balanced' | 'low' = 'sharp';
  const seen = [20, 130, 100, 70, 50, 500, 500, 500, 300, 190, 150, 20].map(
    (roundTripMs) => (quality = fittingQuality(quality, roundTripMs)),
  );
  expect(seen).toEqual([
    ...['sharp', 'balanced', 'balanced', 'balanced', 'sharp', 'balanced'],
    ...['low', 'low', 'low', 'balanced', 'balanced', 'sharp'],
  ]);
});
