import {
  HearthError,
  isAllowedUrl,
  toFailure,
  type GuestSignin,
  type GuestSigninOrder,
  type Login,
  type LoginSign,
  type ParsedCredential,
  type Provider,
} from '@hearth/contract';

/** What happens during a login. */
export type LoginEvent =
  /** All that the tool has printed, and what its descriptor reads in it. */
  | { type: 'output'; text: string; signs: readonly LoginSign[] }
  /** `$BROWSER` or `xdg-open` was given this link. */
  | { type: 'link'; url: string }
  /** The person's code was typed. */
  | { type: 'code_typed' }
  /** The credential file was looked at. */
  | { type: 'credential'; parsed: ParsedCredential }
  /** The tool's own status command was asked. */
  | { type: 'status'; signedIn: boolean; words: string }
  | { type: 'exited'; exitCode: number; words: string }
  /** Something of ours failed: the tool is missing, the tmpfs is full. */
  | { type: 'broke'; error: HearthError }
  | { type: 'cancelled' };

/** What is to be done about it. */
export type LoginEffect =
  | { type: 'type'; keys: string }
  /** Opens an allowed link on the desktop. */
  | { type: 'open'; url: string }
  /** The same for a link that the tool only printed: unless it hands one to the browser by itself within a moment. */
  | { type: 'open-later' }
  | { type: 'ask-status' }
  /** Another try from the beginning. */
  | { type: 'restart' }
  /** It is decided: the tool is ended. */
  | { type: 'end' };

export interface LoginState {
  /** Without the words, which come from the screen. */
  signin: Omit<GuestSignin, 'words'>;
  /** Questions that were answered. */
  answered: readonly string[];
  /** A code was typed, and the tool hasn't said what it thinks of it. */
  codePending: boolean;
  /** How often each refusal stood on the screen when it was last told: the text grows, and a second refusal reads as the first. */
  refusals: Readonly<Record<string, number>>;
  /** The link came from the tool's own call of the browser, and wins over a printed one. */
  linkFromBrowser: boolean;
  openedLater: boolean;
  /** What Hearth itself has to say, beside the tool's words. */
  notes: readonly string[];
}

export interface LoginRules {
  login: Pick<Login, 'browser' | 'restartAfterRefusal'>;
  provider: Pick<Provider, 'allowedUrls' | 'title'>;
  now: () => Date;
}

const MAX_NOTES = 5;

export function firstState({
  sessionId,
  provider,
  method,
}: Omit<GuestSigninOrder, 'hostTimeMs'>): LoginState {
  return {
    signin: {
      ...{ sessionId, provider, method },
      phase: 'starting',
      ...{
        oauthUrl: null,
        userCode: null,
        wantsCode: false,
        codeRefused: null,
        account: null,
        failure: null,
      },
    },
    ...{
      answered: [],
      codePending: false,
      refusals: {},
      linkFromBrowser: false,
      openedLater: false,
      notes: [],
    },
  };
}

export function isOver({ signin: { phase } }: { signin: Pick<GuestSignin, 'phase'> }): boolean {
  return phase === 'signed_in' || phase === 'failed' || phase === 'cancelled';
}

/** The whole sequence of a login; an ended one never changes (F22). */
export function advance(
  state: LoginState,
  event: LoginEvent,
  rules: LoginRules,
): { state: LoginState; effects: LoginEffect[] } {
  if (isOver(state)) return { state, effects: [] };
  const verifying = state.signin.phase === 'verifying';
  switch (event.type) {
    case 'output':
      return verifying ? { state, effects: [] } : readOutput(state, event, rules);
    case 'link':
      return takeBrowserLink(state, event.url, rules);
    case 'code_typed':
      return {
        state: { ...withSignin(state, { wantsCode: false, codeRefused: null }), codePending: true },
        effects: [],
      };
    case 'credential': {
      // Half-written, or not there yet.
      if (!event.parsed.ok || verifying) return { state, effects: [] };
      const { account } = event.parsed;
      return {
        state: withSignin(state, { phase: 'verifying', account, wantsCode: false, codeRefused: null }),
        effects: [{ type: 'ask-status' }],
      };
    }
    case 'status':
      if (!verifying) return { state, effects: [] };
      return event.signedIn
        ? { state: withSignin(state, { phase: 'signed_in' }), effects: [{ type: 'end' }] }
        : fail(state, `${rules.provider.title} says that it is not signed in: ${event.words}`, rules);
    case 'exited':
      // A credential is there: the status decides.
      if (verifying) return { state, effects: [] };
      if (wasRefused(state) && rules.login.restartAfterRefusal) return restart(state);
      return fail(
        state,
        event.exitCode === 0
          ? `${rules.provider.title} ended without a sign-in: ${event.words}`
          : `${rules.provider.title} ended with code ${event.exitCode}: ${event.words}`,
        rules,
      );
    case 'broke':
      return failWith(state, event.error, rules);
    case 'cancelled':
      return {
        state: withSignin(state, { phase: 'cancelled', wantsCode: false }),
        effects: [{ type: 'end' }],
      };
  }
}

function readOutput(
  state: LoginState,
  { text, signs }: LoginEvent & { type: 'output' },
  rules: LoginRules,
): { state: LoginState; effects: LoginEffect[] } {
  const effects: LoginEffect[] = [];
  let next = state;
  const seen: Record<string, number> = {};
  for (const sign of signs) {
    switch (sign.type) {
      case 'url':
        next = takePrintedLink(next, sign.url, rules);
        break;
      case 'device_code':
        next = takePrintedLink(withSignin(next, { userCode: sign.code }), sign.url, rules);
        break;
      case 'answer':
        if (next.answered.includes(sign.question)) break;
        next = { ...next, answered: [...next.answered, sign.question] };
        effects.push({ type: 'type', keys: sign.keys });
        break;
      case 'code_refused':
        seen[sign.words] = Math.max((seen[sign.words] ?? 0) + 1, occurrences(text, sign.words));
        break;
      case 'code_wanted':
        break;
      case 'failed': {
        const failed = fail(next, sign.words, rules);
        return { state: failed.state, effects: [...effects, ...failed.effects] };
      }
    }
  }
  const refused = Object.keys(seen).filter((words) => (seen[words] ?? 0) > (next.refusals[words] ?? 0));
  next = { ...next, refusals: seen };
  if (refused.length > 0)
    next = { ...withSignin(next, { codeRefused: refused.at(-1) ?? null }), codePending: false };
  const asks = signs.some(({ type }) => type === 'code_wanted');
  // A tool that refuses and ends still shows that it asked; its end takes this back.
  next = withSignin(next, { wantsCode: asks && !next.codePending });
  const { oauthUrl, wantsCode, phase } = next.signin;
  if (phase === 'starting' && (oauthUrl !== null || wantsCode))
    next = withSignin(next, { phase: 'awaiting_user' });
  if (oauthUrl !== null && !next.linkFromBrowser && !next.openedLater && rules.login.browser === 'desktop') {
    next = { ...next, openedLater: true };
    effects.push({ type: 'open-later' });
  }
  return { state: next, effects };
}

function takePrintedLink(state: LoginState, url: string, rules: LoginRules): LoginState {
  if (state.linkFromBrowser) return state;
  return isAllowedUrl(rules.provider, url)
    ? withSignin(state, { oauthUrl: url })
    : withNote(state, refusedLinkNote(url));
}

function takeBrowserLink(
  state: LoginState,
  url: string,
  rules: LoginRules,
): { state: LoginState; effects: LoginEffect[] } {
  if (!isAllowedUrl(rules.provider, url))
    return { state: withNote(state, refusedLinkNote(url)), effects: [] };
  // It leads back into this VM, where the person is not.
  if (rules.login.browser === 'none') return { state, effects: [] };
  const phase = state.signin.phase === 'starting' ? 'awaiting_user' : state.signin.phase;
  return {
    state: { ...withSignin(state, { oauthUrl: url, phase }), linkFromBrowser: true },
    effects: [{ type: 'open', url }],
  };
}

/** The old link can't work any more; the refusal stays in sight. */
function restart(state: LoginState): { state: LoginState; effects: LoginEffect[] } {
  return {
    state: {
      ...withSignin(state, { oauthUrl: null, userCode: null, wantsCode: false }),
      ...{ answered: [], codePending: false, refusals: {}, linkFromBrowser: false, openedLater: false },
    },
    effects: [{ type: 'restart' }],
  };
}

function fail(
  state: LoginState,
  words: string,
  rules: LoginRules,
): { state: LoginState; effects: LoginEffect[] } {
  return failWith(state, new HearthError('signin_failed', words.trim().slice(0, 2000)), rules);
}

function failWith(
  state: LoginState,
  error: HearthError,
  { now }: LoginRules,
): { state: LoginState; effects: LoginEffect[] } {
  return {
    state: withSignin(state, { phase: 'failed', wantsCode: false, failure: toFailure(error, now()) }),
    effects: [{ type: 'end' }],
  };
}

/** Only where it leads: the rest may be a secret. */
export function refusedLinkNote(url: string): string {
  const place = URL.canParse(url) ? `${new URL(url).protocol}//${new URL(url).host}` : 'no web address';
  return `Not opened, since it is no page of this sign-in: ${place.slice(0, 200)}`;
}

export function withNote(state: LoginState, note: string): LoginState {
  if (state.notes.includes(note)) return state;
  return { ...state, notes: [...state.notes, note].slice(-MAX_NOTES) };
}

function withSignin(state: LoginState, changes: Partial<LoginState['signin']>): LoginState {
  return { ...state, signin: { ...state.signin, ...changes } };
}

/** In this try: what is still shown may be an earlier one's. */
function wasRefused({ refusals }: LoginState): boolean {
  return Object.keys(refusals).length > 0;
}

function occurrences(text: string, words: string): number {
  return words === '' ? 0 : text.split(words).length - 1;
}
