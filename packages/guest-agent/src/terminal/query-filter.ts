/**
 * What programs ask their terminal: states (DSR), attributes (DA), modes (DECRQM), versions, sizes, colours, settings (DECRQSS,
 * XTGETTCAP), and the clipboard's content, which is nobody's business in a VM.
 */
const QUERIES = [
  String.raw`\[\??\d+n`,
  String.raw`\[[>=]?0?c`,
  String.raw`\[\??\d+\$p`,
  String.raw`\[>0?q`,
  String.raw`\[\?u`,
  String.raw`\[(?:1[1345689]|2[01])(?:;\d+)*t`,
  String.raw`\](?:1\d|4;\d+|5;\d+|52;[a-z0-9]*);\?(?:\x07|\x1b\\)`,
  String.raw`P[$+]q[^\x07\x1b]*\x1b\\`,
];
const QUERY = new RegExp(`\\x1b(?:${QUERIES.join('|')})`, 'g');
/** The beginning of what may become one. */
const PARTIAL = new RegExp(
  [
    String.raw`\x1b(?:\[[?>=]?[\d;]*\$?`,
    String.raw`\](?:1\d?|4(?:;\d*)?|5(?:;\d*|2(?:;[a-z0-9]*)?)?)?(?:;\??\x1b?)?`,
    String.raw`P(?:[$+](?:q[^\x07\x1b]*\x1b?)?)?)?$`,
  ].join('|'),
);
/** A longer beginning becomes none. */
const MAX_HELD = 256;
const ESCAPE = 0x1b;

/**
 * Takes questions out of what viewers get. The terminal in the guest answers them (F32); would each viewer's terminal answer, too, the
 * program would read several answers, or the answer of a viewer that came later as keys.
 */
export function createQueryFilter(): (bytes: Uint8Array) => Uint8Array {
  let held = '';
  return (bytes) => {
    if (held === '' && !bytes.includes(ESCAPE)) return bytes;
    // One character a byte: UTF-8 passes untouched, whatever it is cut into.
    const text = (held + Buffer.from(bytes).toString('latin1')).replace(QUERY, '');
    const partial = PARTIAL.exec(text);
    const keep = partial !== null && partial[0].length <= MAX_HELD ? partial[0].length : 0;
    held = text.slice(text.length - keep);
    return Buffer.from(text.slice(0, text.length - keep), 'latin1');
  };
}
