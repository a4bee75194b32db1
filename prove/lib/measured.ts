/** One count before and after the cycles. */
export interface Measured {
  name: string;
  before: number;
  after: number;
  unit: string;
  /** It may grow by so much, in `unit`. */
  allowed: number;
  ok: boolean;
}

/** A count that must be what it was. */
export const exact = (name: string, before: number, after: number): Measured => ({
  ...{ name, before, after, unit: '', allowed: 0 },
  ok: before === after,
});

/** A figure that may move a little. */
export function bounded(
  name: string,
  before: number,
  after: number,
  unit: string,
  allowed: number,
): Measured {
  const round = (value: number): number => Math.round(value * 10) / 10;
  return {
    ...{ name, unit, allowed },
    before: round(before),
    after: round(after),
    ok: after - before <= allowed,
  };
}
