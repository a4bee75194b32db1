/** What takes the place of a secret; names its sort, so that a reader sees that one was there. */
const hidden = (what: string): string => `[redacted:${what.replaceAll(' ', '-')}]`;

interface SecretShape {
  what: string;
  shape: RegExp;
  /** What stays of a match: the text before and behind the secret. Nothing where left out. */
  keep?: (groups: readonly string[]) => [before: string, after: string];
}

const around = (groups: readonly string[]): [string, string] => [groups[0] ?? '', groups[1] ?? ''];

/** Names under which secrets are written, in JSON, in queries, in environments and on command lines. */
const secretNames =
  '[\\w.-]{0,40}(?:token|secret|passwd|password|passphrase|api[_-]?key|master[_-]?key|private[_-]?key|authorization|cookie|credentials?|' +
  'verifier|challenge|ticket|user[_-]?code|device[_-]?code|auth[_-]?code|session[_-]?key|_session)';

/** By their looks. Order counts: what spans lines comes first, what only has a name last. */
const shapes: readonly SecretShape[] = [
  {
    what: 'private key',
    // Bounded, as all of these are: a guest may print what would keep an unbounded one busy for hours.
    shape:
      /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----(?:[\s\w+/=\\:,;.]|-(?!----)){0,8192}(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?/g,
  },
  {
    // The end of one whose beginning was cut away.
    what: 'private key',
    shape:
      /(?<=^|\n|\\n|")(?:[\w+/=]{1,76}(?:\s|\\{1,15}[rn])+){1,100}-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----/g,
  },
  { what: 'cookie', shape: /((?:^|[^\w-])(?:set-)?cookie"?\s*[:=]\s*"?)[^"\r\n]+()/gi, keep: around },
  { what: 'authorization', shape: /((?:bearer|basic|digest|negotiate)\s+)[\w.~+/=-]{8,}()/gi, keep: around },
  { what: 'JSON web token', shape: /(?<![A-Za-z0-9])eyJ[\w-]{8,1024}\.[\w-]{8,}(?:\.[\w-]*)?/g },
  { what: 'Hearth token', shape: /\bhth_[\w-]{8,}/g },
  { what: 'API key', shape: /\bsk-[\w-]{12,}/g },
  {
    what: 'Google key',
    shape: /\bAIza[\w-]{20,}|\bGOCSPX-[\w-]{16,}|\bya29\.[\w-]{16,}|(?<!\w)1\/\/0[\w-]{16,}/g,
  },
  { what: 'GitHub token', shape: /\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{20,}/g },
  { what: 'AWS key', shape: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g },
  { what: 'Slack token', shape: /\bxox[abprs]-[\w-]{10,}/g },
  {
    what: 'password in an address',
    shape: /(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"']{0,200}:)[^\s/@"']{1,200}(@)/gi,
    keep: around,
  },
  // Of a query or a fragment: OAuth's answers and the links that sign a browser in.
  {
    what: 'code',
    shape: /([?&#](?:code|state|key|sig|signature|sid|ticket|token|nonce|id_token)=)[^&\s"'<>]+()/gi,
    keep: around,
  },
  // A sign-in code in JSON, which may be a text in JSON itself; the codes of our errors are short words.
  {
    what: 'code',
    shape: /(\\{0,15}"code\\{0,15}"\s*:\s*\\{0,15}")(?=[^"\\]*[A-Z0-9])[\w/#.~-]{16,}(\\{0,15}")/g,
    keep: around,
  },
  {
    what: 'named',
    shape: new RegExp(`("${secretNames}"\\s*:\\s*")(?!\\[redacted)[^"\\\\]*(?:\\\\.[^"\\\\]*)*(")`, 'gi'),
    keep: around,
  },
  // The same in JSON that is itself a text in JSON, however often.
  {
    what: 'named',
    shape: new RegExp(
      `(\\\\{1,15}"${secretNames}\\\\{1,15}"\\s*:\\s*\\\\{1,15}")(?!\\[redacted)[^"\\\\]*(?:\\\\+[^"\\\\]+)*(\\\\{1,15}")`,
      'gi',
    ),
    keep: around,
  },
  {
    what: 'named',
    shape: new RegExp(`(\\b${secretNames}\\s?[=:]\\s?'?)(?![\\s'"\\[{(])[^\\s"'&,;}]{3,}()`, 'gi'),
    keep: around,
  },
];

/** A shorter value would be found everywhere. */
const MIN_VALUE_CHARACTERS = 6;

export type Redact = (text: string) => string;

/** Takes secrets out of a text: those of this machine by their values, all others by their looks. Twice is the same as once. */
export function makeRedact(values: Iterable<string>): Redact {
  const known = [...new Set(values)]
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)])
    .filter((value) => value.length >= MIN_VALUE_CHARACTERS)
    // One that holds another goes first.
    .toSorted((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const value of new Set(known)) clean = clean.replaceAll(value, hidden('a secret of this machine'));
    for (const { what, shape, keep } of shapes)
      clean = clean.replace(shape, (match: string, ...rest: unknown[]) => {
        const groups = rest.filter((part): part is string => typeof part === 'string');
        const [before, after] = keep?.(groups) ?? ['', ''];
        const secret = match.slice(before.length, match.length - after.length);
        return /^\[redacted:[^\]\s]*\]$/.test(secret) ? match : `${before}${hidden(what)}${after}`;
      });
    return clean;
  };
}
