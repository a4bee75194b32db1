const BASE_BYTES: Record<number, number> = {
  0: 20,
  2: 4,
  3: 10,
  4: 8,
  5: 6,
  6: 8,
  150: 10,
  248: 9,
  251: 8,
  255: 12,
};

/** Length of a whole message that begins like this; null where more bytes are needed to know. */
function lengthOf(bytes: Buffer): number | null {
  const type = bytes[0] ?? 0;
  const base = BASE_BYTES[type];
  if (base === undefined) throw new Error(`a viewer's message of type ${type} reached the fake display`);
  if (bytes.length < base) return null;
  switch (type) {
    case 2:
      return base + 4 * bytes.readUInt16BE(2);
    case 6:
      // The extended clipboard has a negative length.
      return base + Math.abs(bytes.readInt32BE(4));
    case 248:
      return base + (bytes[8] ?? 0);
    case 251:
      return base + 16 * (bytes[6] ?? 0);
    default:
      return base;
  }
}

/** Cuts what a viewer sends into messages; for a fake that trusts its tests. */
export function readViewerMessages(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let parts: Buffer = Buffer.alloc(0);
  return (chunk) => {
    parts = Buffer.concat([parts, chunk]);
    while (parts.length > 0) {
      const length = lengthOf(parts);
      if (length === null || parts.length < length) return;
      onMessage(Buffer.from(parts.subarray(0, length)));
      parts = parts.subarray(length);
    }
  };
}
