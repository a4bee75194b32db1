/** Characters that RFC 8187 wants escaped although encodeURIComponent leaves them. */
const UNESCAPED = /['()*]/g;

/** Content-Disposition of a file to be saved (RFC 6266): the name in full, and in ASCII for what doesn't know better. */
export function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    UNESCAPED,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
