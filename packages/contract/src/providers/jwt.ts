/** Claims of a JWT, unverified: for showing whose account it is and when it ends. null for a text that is none. */
export function readJwtClaims(jwt: unknown): Readonly<Record<string, unknown>> | null {
  const payload = typeof jwt === 'string' ? jwt.split('.')[1] : undefined;
  if (payload === undefined) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (letter) =>
      letter.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(claims) ? claims : null;
  } catch {
    // Neither base64 nor JSON: no JWT.
    return null;
  }
}

/** Parses a line or a file; null where it is no JSON object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    // Tools print a plain line now and then, and a file can be read while it is being written.
    return null;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
