import {
  asHearthError,
  HearthError,
  isAllowedUrl,
  pause,
  type GuestSignin,
  type GuestSigninOrder,
  type Log,
  type Login,
  type Provider,
  type ProviderId,
} from '@hearth/contract';
import type { CredentialStore, LoginCredential } from '../credentials/credential-store.ts';
import type { LoginUser } from '../exec/login-user.ts';
import type { PipeStore } from '../exec/pipes.ts';
import { describeError } from '../log.ts';
import type { NativeModules } from '../pty/native-modules.ts';
import { writeMissing } from '../credentials/home-links.ts';
import { takeClock } from '../system/identity.ts';
import type { GuestSystem } from '../system/guest-system.ts';
import { askStatus } from './ask-status.ts';
import type { DesktopBrowser } from './desktop-browser.ts';
import {
  advance,
  firstState,
  isOver,
  withNote,
  type LoginEffect,
  type LoginEvent,
  type LoginState,
} from './login-progress.ts';
import { startLoginTerminal, type LoginTerminal } from './login-terminal.ts';
import { wordsOf } from './words.ts';

export interface SigninServiceOptions {
  modules: () => NativeModules;
  credentials: Pick<CredentialStore, 'beginLogin'>;
  browser: DesktopBrowser;
  hasDesktop: () => boolean;
  /** Variables that make a tool find the desktop's browser. */
  desktopEnv: Readonly<Record<string, string>>;
  user: LoginUser;
  pipes: PipeStore;
  system: Pick<GuestSystem, 'setClock'>;
  providers: Readonly<Partial<Record<ProviderId, Provider>>>;
  randomBytes: (size: number) => Uint8Array;
  log: Log;
  times?: Partial<typeof DEFAULT_TIMES>;
}

/** The one sign-in of this VM. */
export interface SigninService {
  /** Throws HearthError conflict while another session is under way, bad_request, not_a_desktop. */
  order(order: GuestSigninOrder): { signin: GuestSignin; isNew: boolean };
  current(): GuestSignin | null;
  onChange(listener: () => void): () => void;
  /** Throws HearthError not_found, signin_ended, signin_not_waiting. */
  typeCode(code: string): GuestSignin;
  /** The captured link where none is given. Throws HearthError url_not_allowed, desktop_unreachable and as typeCode. */
  openUrl(url: string | undefined): Promise<GuestSignin>;
  cancel(): GuestSignin;
  /** A program in this VM wants this link opened. Throws HearthError url_not_allowed. */
  takeLink(url: string): Promise<void>;
  stop(): void;
}

const DEFAULT_TIMES = {
  /** Between looks at the credential file, beside being told. */
  lookMs: 1000,
  /** A tool that opens the browser by itself does so within this time of printing the link. */
  openLaterMs: 5000,
  /** A tool that has written its credential may have more to write before its status agrees. */
  lingerMs: 10_000,
};
/** A smaller error harms neither TLS nor tokens. */
const CLOCK_TOLERANCE_MS = 2000;

export function createSigninService(options: SigninServiceOptions): SigninService {
  const { providers, browser, hasDesktop } = options;
  const listeners = new Set<() => void>();
  let session: Session | null = null;

  const under = (): Session => {
    if (session === null) throw new HearthError('not_found', 'no sign-in was begun in this VM');
    if (isOver(session.state())) throw new HearthError('signin_ended', `it is ${session.view().phase}`);
    return session;
  };
  const open = async (provider: Pick<Provider, 'allowedUrls' | 'title'>, url: string): Promise<void> => {
    if (!isAllowedUrl(provider, url))
      throw new HearthError('url_not_allowed', `it is no page of the sign-in to ${provider.title}`);
    if (!hasDesktop()) throw new HearthError('not_a_desktop', 'there is no desktop in this VM');
    await browser.open(url, AbortSignal.timeout(60_000));
  };
  return {
    order: (order) => {
      const running = session !== null && !isOver(session.state());
      if (session?.sessionId === order.sessionId) return { signin: session.view(), isNew: false };
      if (session !== null && running)
        throw new HearthError('conflict', `sign-in ${session.sessionId} is under way in this VM`);
      const provider = providers[order.provider];
      const login = provider?.login[order.method];
      if (provider === undefined || login === undefined)
        throw new HearthError('bad_request', `${order.provider} has no sign-in by ${order.method}`);
      if (login.browser === 'desktop' && !hasDesktop())
        throw new HearthError('not_a_desktop', 'this sign-in needs the desktop of a browser VM');
      session = startSession({ ...options, order, provider, login }, () => {
        for (const listener of listeners) listener();
      });
      return { signin: session.view(), isNew: true };
    },
    current: () => session?.view() ?? null,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    typeCode: (code) => {
      const running = under();
      if (!running.view().wantsCode)
        throw new HearthError('signin_not_waiting', 'the tool does not ask for a code now');
      running.typeCode(code);
      return running.view();
    },
    openUrl: async (url) => {
      const running = under();
      const link = url ?? running.view().oauthUrl;
      if (link === null) throw new HearthError('signin_not_waiting', 'the tool has given no link yet');
      await open(running.provider, link);
      return running.view();
    },
    cancel: () => {
      if (session === null) throw new HearthError('not_found', 'no sign-in was begun in this VM');
      session.happen({ type: 'cancelled' });
      return session.view();
    },
    takeLink: async (url) => {
      if (session !== null && !isOver(session.state())) {
        session.happen({ type: 'link', url });
        if (!isAllowedUrl(session.provider, url))
          throw new HearthError(
            'url_not_allowed',
            `it is no page of the sign-in to ${session.provider.title}`,
          );
        if (session.login.browser === 'none')
          throw new HearthError('not_a_desktop', 'this sign-in is done in the person’s own browser');
        return;
      }
      const known = Object.values(providers).find((provider) => isAllowedUrl(provider, url));
      if (known === undefined)
        throw new HearthError(
          'url_not_allowed',
          'it is no page of a sign-in; open it in the browser yourself',
        );
      await open(known, url);
    },
    stop: () => session?.happen({ type: 'cancelled' }),
  };
}

interface SessionOptions extends SigninServiceOptions {
  order: GuestSigninOrder;
  provider: Provider;
  login: Login;
}

interface Session {
  sessionId: string;
  provider: Provider;
  login: Login;
  state(): LoginState;
  view(): GuestSignin;
  happen(event: LoginEvent): void;
  typeCode(code: string): void;
}

/** One login from its order to its end, however often the tool is started for it. */
function startSession(options: SessionOptions, onChange: () => void): Session {
  const { order, provider, login, credentials, browser, user, pipes, system, randomBytes, log } = options;
  const times = { ...DEFAULT_TIMES, ...options.times };
  const ended = new AbortController();
  /** Never shown. */
  const secrets = new Set<string>();
  let state = firstState(order);
  let text = '';
  let credential: LoginCredential | undefined;
  let terminal: LoginTerminal | undefined;
  let looking: Promise<void> | undefined;
  let shown = '';

  const words = (): string =>
    [wordsOf(text, secrets), ...state.notes].filter((part) => part !== '').join('\n');
  const view = (): GuestSignin => {
    const { codeRefused, failure } = state.signin;
    return {
      ...state.signin,
      codeRefused: codeRefused === null ? null : wordsOf(codeRefused, secrets),
      failure: failure === null ? null : { ...failure, detail: wordsOf(failure.detail, secrets) },
      words: words(),
    };
  };
  const tell = (): void => {
    const now = JSON.stringify(view());
    if (now === shown) return;
    shown = now;
    onChange();
  };
  const happen = (event: LoginEvent): void => {
    const before = state.signin.phase;
    const next = advance(state, event, { login, provider, now: () => new Date() });
    state = next.state;
    const { phase, failure } = state.signin;
    if (phase !== before)
      log('sign-in', { sessionId: order.sessionId, provider: provider.id, phase, code: failure?.code });
    for (const effect of next.effects) carryOut(effect);
    tell();
  };
  /** What fails for a reason of ours ends the sign-in with it. */
  const doing = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      const known = asHearthError(error);
      if (!ended.signal.aborted) happen({ type: 'broke', error: known });
      else if (known.code !== 'aborted')
        log('the end of a sign-in failed', { sessionId: order.sessionId, error: describeError(error) });
    });
  };
  const note = (words: string): void => {
    state = withNote(state, words);
    tell();
  };
  const open = (url: string): void => {
    browser.open(url, ended.signal).catch((error: unknown) => {
      if (!ended.signal.aborted) note(`The link could not be opened on the desktop: ${describeError(error)}`);
    });
  };
  const carryOut = (effect: LoginEffect): void => {
    switch (effect.type) {
      case 'type':
        terminal?.type(effect.keys);
        break;
      case 'open':
        open(effect.url);
        break;
      case 'open-later':
        doing(
          pause(times.openLaterMs, ended.signal).then(() => {
            const { oauthUrl } = state.signin;
            if (!state.linkFromBrowser && oauthUrl !== null) open(oauthUrl);
          }),
        );
        break;
      case 'ask-status':
        doing(verify());
        break;
      case 'restart':
        doing(start());
        break;
      case 'end':
        ended.abort();
        doing(finish());
        break;
    }
  };

  const env = (): Record<string, string> => ({
    ...(login.browser === 'desktop' ? options.desktopEnv : {}),
    ...login.env,
  });
  const start = async (): Promise<void> => {
    ended.signal.throwIfAborted();
    text = '';
    const begun = await startLoginTerminal({
      ...{ modules: options.modules(), login, env: env(), user },
      onText: (printed) => {
        if (begunIsCurrent()) read(printed);
      },
      onExit: ({ exitCode }) => {
        if (!begunIsCurrent()) return;
        // Written right before the end, it counts.
        doing(
          look().then(() => happen({ type: 'exited', exitCode, words: lastWords(wordsOf(text, secrets)) })),
        );
      },
    });
    function begunIsCurrent(): boolean {
      return terminal === begun;
    }
    terminal = begun;
    if (ended.signal.aborted) begun.terminate();
  };
  const read = (printed: string): void => {
    text = printed;
    happen({ type: 'output', text: printed, signs: login.readOutput(printed) });
  };
  const look = (): Promise<void> => {
    looking ??= (async () => {
      const found = await credential?.read();
      if (found === null || found === undefined) return;
      for (const secret of found.secrets) secrets.add(secret);
      happen({ type: 'credential', parsed: found.parsed });
    })().finally(() => (looking = undefined));
    return looking;
  };
  const keepLooking = async (): Promise<void> => {
    while (state.signin.phase === 'starting' || state.signin.phase === 'awaiting_user') {
      await look();
      await pause(times.lookMs, ended.signal);
    }
  };
  const verify = async (): Promise<void> => {
    let said = await askStatus(provider, user, pipes, ended.signal);
    if (!said.signedIn && terminal !== undefined) {
      const linger = pause(times.lingerMs, ended.signal).catch(() => undefined);
      await Promise.race([terminal.exited, linger]);
      said = await askStatus(provider, user, pipes, ended.signal);
    }
    if (said.signedIn) {
      ended.signal.throwIfAborted();
      await credential?.adopt();
    }
    happen({ type: 'status', ...said });
  };
  const finish = async (): Promise<void> => {
    const isIn = state.signin.phase === 'signed_in';
    if (isIn && terminal !== undefined)
      // What it still has to write beside the credential.
      await Promise.race([
        terminal.exited,
        new Promise((resolve) => setTimeout(resolve, times.lingerMs).unref()),
      ]);
    terminal?.terminate();
    if (!isIn) await credential?.abandon();
  };
  const begin = async (): Promise<void> => {
    const receivedAtMs = performance.now();
    const offMs = await takeClock({
      ...{ hostTimeMs: order.hostTimeMs, receivedAtMs, system, log },
      toleranceMs: CLOCK_TOLERANCE_MS,
    });
    if (offMs !== 0)
      note(
        `The clock of this VM was ${Math.round(Math.abs(offMs) / 1000)} s ${offMs > 0 ? 'slow' : 'fast'}; it was set right.`,
      );
    const begun = await credentials.beginLogin(provider.id, () => doing(look()));
    credential = begun;
    if (ended.signal.aborted) {
      await begun.abandon();
      return;
    }
    await writeMissing({ home: user.home, owner: user }, login.files, randomBytes);
    await start();
    doing(keepLooking());
  };
  doing(begin());

  return {
    ...{ sessionId: order.sessionId, provider, login, view, happen },
    state: () => state,
    typeCode: (code) => {
      secrets.add(code);
      happen({ type: 'code_typed' });
      terminal?.type(login.typeCode?.(code) ?? `${code}\r`);
    },
  };
}

/** Of what the tool said last, as the reason of a failure. */
function lastWords(words: string): string {
  return words.split('\n').slice(-5).join('\n') || 'it said nothing';
}
