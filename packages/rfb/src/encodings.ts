/**
 * Orders, and thins out, the encodings that a viewer names; see viewer-filter. `viewer`: the known ones, as the viewer wants
 * them. `raw-first`: pixels come as they are, for guests whose CPU is too weak to compress them.
 */
export type EncodingPolicy = 'viewer' | 'raw-first';

/** The encodings whose framing the server guard knows; viewers get no others. Names and numbers: RFC 6143 and rfbproto. */
export const encodings = {
  raw: 0,
  copyRect: 1,
  zlib: 6,
  tight: 7,
  zrle: 16,
} as const;

/** Encodings that carry something else than pixels of the screen. */
export const pseudoEncodings = {
  desktopSize: -223,
  lastRect: -224,
  cursor: -239,
  xCursor: -240,
  qemuExtendedKey: -258,
  qemuLedState: -261,
  desktopName: -307,
  extendedDesktopSize: -308,
  fence: -312,
  continuousUpdates: -313,
  vmwareCursor: 0x574d5664,
  vmwareCursorPosition: 0x574d5666,
  vmwareLedState: 0x574d5668,
  extendedClipboard: 0xc0a1e5ce | 0,
} as const;

/** Ranges, both ends included, of pseudo-encodings that only say how to encode. */
const levels: [number, number][] = [
  // JPEG quality 0 to 9
  [-32, -23],
  // compression 0 to 9
  [-256, -247],
  // TigerVNC: fine quality 0 to 100
  [-512, -412],
  // TigerVNC: subsampling
  [-768, -763],
];

const realEncodings = new Set<number>(Object.values(encodings));
const otherEncodings = new Set<number>(Object.values(pseudoEncodings));

/** What a viewer may ask the server for, of what it named, in the order that the policy wants. */
export function chooseEncodings(named: readonly number[], policy: EncodingPolicy): number[] {
  const real = named.filter((encoding) => realEncodings.has(encoding));
  const rest = named.filter((encoding) => !realEncodings.has(encoding) && isKnownPseudo(encoding));
  return [...(policy === 'raw-first' ? rawOnly(real) : real), ...rest];
}

function isKnownPseudo(encoding: number): boolean {
  return (
    otherEncodings.has(encoding) || levels.some(([first, last]) => encoding >= first && encoding <= last)
  );
}

/** Nothing but Raw and CopyRect: where another is named beside Raw, wherever in the list, TigerVNC takes the other. */
function rawOnly(real: number[]): number[] {
  return [...real.filter((encoding) => encoding === encodings.copyRect), encodings.raw];
}
