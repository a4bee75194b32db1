/** Stand-ins of each sort of secret, none of them real: put together here, so that no scanner for leaked secrets stops at this file. */
const letters = (count: number): string => 'FakeNotAToken0'.repeat(20).slice(0, count);
const base64Line = 'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2';
const pem = (kind: string): string =>
  `-----BEGIN ${kind}PRIVATE KEY-----\n${`${base64Line}\n`.repeat(4)}bmV2ZXI=\n-----END ${kind}PRIVATE KEY-----`;

export interface PlantedSecret {
  what: string;
  /** As it stands in a log, a console or a file. */
  text: string;
  /** What must not be found afterwards. */
  secret: string;
}

const planted = (what: string, secret: string, text: (secret: string) => string): PlantedSecret => ({
  ...{ what, secret },
  text: text(secret),
});
const bare = (what: string, secret: string): PlantedSecret =>
  planted(what, secret, (value) => `it is ${value}.`);

/** One of each sort, in the ways in which they are written. */
export const plantedSecrets: readonly PlantedSecret[] = [
  bare('Hearth token', `hth_${letters(43)}`),
  bare('Anthropic key', `sk-ant-api03-${letters(90)}`),
  bare('OpenAI key', `sk-proj-${letters(60)}`),
  bare('short OpenAI key', `sk-${letters(20)}`),
  bare('Google key', `AIza${letters(35)}`),
  bare('Google access token', `ya29.${letters(64)}`),
  bare('Google refresh token', `1//0${letters(64)}`),
  bare('Google client secret', `GOCSPX-${letters(28)}`),
  bare('GitHub token', `ghp_${letters(36)}`),
  bare('AWS key', `AKIAFAKENOTATOKENABC`),
  bare('JSON web token', `eyJ${letters(20)}.eyJ${letters(30)}.${letters(43)}`),
  planted('bearer header', letters(32), (secret) => `authorization: Bearer ${secret}`),
  planted('bearer in JSON', letters(33), (secret) =>
    JSON.stringify({ headers: { authorization: `Bearer ${secret}` } }),
  ),
  planted(
    'basic header',
    Buffer.from('ana:fake-NOT-A-TOKEN').toString('base64'),
    (secret) => `Authorization: Basic ${secret}`,
  ),
  planted('cookie', `${letters(20)}cookie`, (secret) => `cookie: theme=dark; hearth_session=${secret}; a=b`),
  planted(
    'second cookie of a line',
    `${letters(12)}second`,
    (secret) => `Cookie: a=hth_${letters(43)}; plain=${secret}`,
  ),
  planted('cookie in JSON', `${letters(20)}json`, (secret) =>
    JSON.stringify({ 'set-cookie': `s=${secret}; Path=/` }),
  ),
  planted('access token', `${letters(24)}acc`, (secret) =>
    JSON.stringify({ access_token: secret, expires_in: 3600 }),
  ),
  planted('refresh token in JSON in JSON', `${letters(24)}ref`, (secret) =>
    JSON.stringify({ body: JSON.stringify({ refresh_token: secret }) }),
  ),
  planted('token of a query', `${letters(10)}q1`, (secret) => `GET /callback?x=1&token=${secret}&y=2`),
  planted(
    'OAuth code of a query',
    `4/0${letters(30)}`,
    (secret) => `https://example.test/cb?code=${secret}&state=s`,
  ),
  planted(
    'code of a sign-in link',
    `${letters(40)}lnk`,
    (secret) => `open http://127.0.0.1:4000/signin#code=${secret}`,
  ),
  planted('code in JSON', `${letters(40)}cod`, (secret) => JSON.stringify({ code: secret })),
  planted('environment', `${letters(16)}env`, (secret) => `OPENAI_API_KEY=${secret} node main.js`),
  planted('quoted environment', `${letters(16)}quo`, (secret) => `export MY_PASSWORD='${secret}'`),
  planted('YAML', `${letters(16)}yml`, (secret) => `client_secret: ${secret}`),
  planted(
    'password in an address',
    'fake-NOT-A-PASSWORD',
    (secret) => `https://ana:${secret}@proxy.example.test:3128/`,
  ),
  planted('private key', base64Line, () => pem('RSA ')),
  planted('private key in JSON', base64Line, () => JSON.stringify({ key: pem('') })),
  planted('private key that was cut at its end', base64Line, () => pem('EC ').slice(0, 150)),
  planted('private key that was cut at its beginning', base64Line, () =>
    pem('OPENSSH ').split('\n').slice(2).join('\n'),
  ),
];
