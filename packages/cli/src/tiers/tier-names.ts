/** In the order in which they run: what is quick to fail comes first. */
export const tierNames = ['typecheck', 'lint', 'boundaries', 'unit', 'system', 'vm'] as const;
export type TierName = (typeof tierNames)[number];
