/** `ip -j` prints nothing at all for an empty list, and `{}` for entries that it filtered out. */
export function parseList(text: string): unknown[] {
  if (text.trim() === '') return [];
  const parsed: unknown = JSON.parse(text);
  return Array.isArray(parsed)
    ? parsed.filter(
        (entry: unknown) => typeof entry === 'object' && entry !== null && Object.keys(entry).length > 0,
      )
    : [];
}
