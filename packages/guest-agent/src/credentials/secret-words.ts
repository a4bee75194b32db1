/** Shorter strings are names, scopes and modes; tokens are longer. */
const MIN_SECRET_LENGTH = 16;

/** The strings of a credential file that may be secrets: what must appear nowhere else. */
export function secretWords(text: string): string[] {
  const words = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value === 'string') {
      if (value.length >= MIN_SECRET_LENGTH) words.add(value);
    } else if (typeof value === 'object' && value !== null) {
      Object.values(value).forEach(collect);
    }
  };
  try {
    collect(JSON.parse(text));
  } catch {
    // Half-written or another format: whatever is as long as a token.
    for (const word of text.match(/[\w.~+/=-]{16,}/g) ?? []) words.add(word);
  }
  return [...words];
}
