/** How far the server's clock is ahead of this browser's; ages and bars are counted on the server's. */
let aheadMs = 0;
let known = false;

/** Takes the `Date` header of an answer. It has whole seconds: a difference of less than two is none. */
export function noteServerDate(header: string | null): void {
  const dateMs = header === null ? NaN : Date.parse(header);
  if (Number.isNaN(dateMs)) return;
  const differenceMs = dateMs - Date.now();
  if (known && Math.abs(differenceMs - aheadMs) < 2000) return;
  known = true;
  aheadMs = Math.abs(differenceMs) < 2000 ? 0 : differenceMs;
}

/** Epoch milliseconds on the server's clock. */
export const serverNowMs = (): number => Date.now() + aheadMs;
