/** A literal that is searched for, in one of the ways in which memory holds text. */
export interface Literal {
  /** Bytes as characters of latin1. */
  bytes: string;
  wide: boolean;
}

/** From this length on each half is a needle of its own: a secret that lies across two pages of memory is found by one of them. */
const HALVED_BYTES = 24;
/** A shorter one would be found by chance. */
const MIN_NEEDLE_BYTES = 6;

/** Text as programs hold it: UTF-8, and UTF-16 as JavaScript engines and browsers do. */
export function literalsOf(text: string): Literal[] {
  return [
    { bytes: Buffer.from(text, 'utf8').toString('latin1'), wide: false },
    { bytes: Buffer.from(text, 'utf16le').toString('latin1'), wide: true },
  ];
}

/** What is searched for to find a known secret wherever it lies. */
export function needleLiterals(secret: string): Literal[] {
  if (Buffer.byteLength(secret) < HALVED_BYTES) return literalsOf(secret);
  const middle = Math.floor(secret.length / 2);
  return [...literalsOf(secret.slice(0, middle)), ...literalsOf(secret.slice(middle))];
}

/** The known secrets in a file with one a line; blank lines count for nothing. */
export function parseNeedles(text: string): { needles: string[]; tooShort: number } {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const needles = lines.filter((line) => Buffer.byteLength(line) >= MIN_NEEDLE_BYTES);
  return { needles: [...new Set(needles)], tooShort: lines.length - needles.length };
}
