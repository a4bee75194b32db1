/** A kind of secret that is known by its looks. */
export interface SecretPattern {
  what: string;
  /** Literal that every one of them holds; no anchor is the beginning of another. */
  anchor: string;
  /** Characters around the anchor's start that are looked at. */
  before: number;
  after: number;
  /** Lengths are those of real keys, so that names and placeholders in programs' code are none. */
  shape: RegExp;
}

const after = (what: string, anchor: string, shape: RegExp, length = 256): SecretPattern => ({
  ...{ what, anchor, shape },
  before: 0,
  after: length,
});

const github = ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((anchor) =>
  after('GitHub token', anchor, new RegExp(`^${anchor}[A-Za-z0-9]{36}(?![A-Za-z0-9])`)),
);

export const secretPatterns: readonly SecretPattern[] = [
  after('Anthropic key or token', 'sk-ant-', /^sk-ant-[a-z]{3,8}\d{2}-[\w-]{80,120}/),
  {
    what: 'OpenAI key',
    // In the middle of every one of them: `OpenAI` in base64.
    anchor: 'T3BlbkFJ',
    before: 120,
    after: 120,
    shape: /sk-(?:proj-|svcacct-|admin-)?[\w-]{20,100}T3BlbkFJ[\w-]{20,100}/,
  },
  after('Google API key', 'AIza', /^AIza[\w-]{35}(?![\w-])/),
  after('Google access token', 'ya29.', /^ya29\.[\w-]{60,}/),
  after('Google refresh token', '1//0', /^1\/\/0[\w-]{60,}/),
  after('Google client secret', 'GOCSPX-', /^GOCSPX-[\w-]{28}(?![\w-])/),
  ...github,
  after('GitHub token', 'github_pat_', /^github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?![A-Za-z0-9])/),
  after('AWS access key', 'AKIA', /^AKIA[A-Z2-7]{16}(?![A-Za-z0-9])/),
  after('AWS temporary key', 'ASIA', /^ASIA[A-Z2-7]{16}(?![A-Za-z0-9])/),
  after('JSON web token', 'eyJ', /^eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}/, 2048),
  {
    what: 'private key',
    anchor: 'PRIVATE KEY-----',
    before: 24,
    after: 512,
    // A line end may be written out, as in JSON.
    shape: /-----BEGIN [A-Z ]{0,16}PRIVATE KEY-----(?:\s|\\r|\\n)+(?:[\w+/]{40,}={0,2}(?:\s|\\r|\\n)*){2,}/,
  },
  after('Hearth token', 'hth_', /^hth_[\w-]{43}(?![\w-])/),
  {
    what: 'bearer header',
    anchor: 'earer ',
    before: 1,
    after: 256,
    shape: /^[Bb]earer (?=\S*\d)(?=\S*[A-Za-z])[\w.~+/-]{32,}/,
  },
];
