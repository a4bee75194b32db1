import {
  HearthError,
  isAllowedUrl,
  makeId,
  pasteCodeSchema,
  providers,
  signinIdSchema,
  startProgress,
  type Config,
  type LoginMethod,
  type ProviderId,
  type RequestId,
  type SigninId,
  type StartSignin,
  type VmId,
} from '@hearth/contract';
import type { z } from 'zod';
import type { World } from '../clock.ts';
import { maySee, type Identity } from '../domain/users/identity.ts';
import { advanceSignin, isOver, newSignin, type SigninRecord } from '../domain/signins/signin-record.ts';
import type { UserStore } from '../store/users.ts';
import { actingFor } from '../users/acting-for.ts';
import type { Vault } from '../vault/vault.ts';
import type { GuestLogin } from './guest-login.ts';
import type { Journeys } from './journey.ts';
import type { SigninBook } from './signin-book.ts';

/** The host answers before: it books the address and takes the VM over. */
const BOOKING_TIMEOUT_MS = 25_000;
const TAKE_UP_PERIOD_MS = 30_000;

export interface SigninCall {
  identity: Identity;
  requestId: RequestId;
  signal: AbortSignal;
}

export interface SigninService {
  /**
   * Begins a sign-in, or gives the one that is under way (`begun` false). Throws conflict where that one has another method,
   * vault_failed, and what the creation of its VM throws; it is recorded as failed then.
   */
  start(body: StartSignin, call: SigninCall): Promise<{ signin: SigninRecord; begun: boolean }>;
  /** Throws not_found where the caller may not know of it. */
  find(identity: Identity, id: SigninId): Promise<SigninRecord>;
  /** Newest first. */
  list(identity: Identity, all: boolean): Promise<SigninRecord[]>;
  watch(id: SigninId, listener: (signin: SigninRecord) => void): () => void;
  /** One that is over stays as it is: throws signin_ended, unless it is cancelled already. */
  cancel(id: SigninId, call: SigninCall): Promise<SigninRecord>;
  /** Throws signin_ended, signin_not_waiting, and what the host says. */
  typeCode(id: SigninId, body: z.infer<typeof pasteCodeSchema>, call: SigninCall): Promise<SigninRecord>;
  /** Opens a link on the desktop; the captured one where none is named. Throws url_not_allowed, and the same. */
  openUrl(id: SigninId, url: string | undefined, call: SigninCall): Promise<SigninRecord>;
  /** Goes on with those of before a restart, and looks now and then that none is left alone. */
  startWorker(): void;
}

export interface SigninServiceDeps {
  book: SigninBook;
  journeys: Journeys;
  login: GuestLogin;
  users: UserStore;
  vault: Vault;
  policy: Config['signins'];
  world: World;
  signal: AbortSignal;
}

export function createSigninService(deps: SigninServiceDeps): SigninService {
  const { book, journeys, login, users, vault, policy, world, signal: stopping } = deps;

  const find = async (identity: Identity, id: SigninId): Promise<SigninRecord> => {
    const signin = await book.get(id);
    if (signin === null || !maySee(identity, signin.userId))
      throw new HearthError('not_found', `there is no sign-in ${id}`, {
        hint: 'GET /api/auth/sessions lists yours.',
      });
    return signin;
  };
  const findOpen = async (identity: Identity, id: SigninId): Promise<SigninRecord> => {
    const signin = await find(identity, id);
    if (isOver(signin)) throw ended(signin);
    return signin;
  };
  /** What the login of a sign-in that waits for the person takes place in. */
  const requireWaiting = (signin: SigninRecord, what: string): VmId => {
    const { vmId, state } = signin;
    if (vmId === null || state !== 'awaiting_user')
      throw new HearthError('signin_not_waiting', `it is ${state}, and takes no ${what}`);
    return vmId;
  };
  const insert = async (signin: SigninRecord): Promise<SigninRecord | null> => {
    const other = await book.store.insert(signin);
    if (other === null || !isOver(await book.current(other))) return other;
    // That one was past its time, and is expired now.
    return book.store.insert(signin);
  };

  return {
    start: async ({ provider, method, userId: wanted }, { identity, requestId, signal }) => {
      const userId = await actingFor(identity, wanted, users);
      const chosen = chooseMethod(provider, method);
      await vault.check();
      const { timeoutMinutes } = policy;
      const sessionId = signinIdSchema.parse(makeId('sgn', world.randomBytes));
      const now = world.now();
      const fresh = newSignin({
        sessionId,
        userId,
        provider,
        method: chosen,
        requestId,
        timeoutMinutes,
        now,
      });
      const other = await insert(fresh);
      if (other !== null && method !== undefined && other.method !== method)
        throw new HearthError(
          'conflict',
          `${other.sessionId} signs in to ${providers[provider].title} already, by ${other.method}`,
          { hint: `Go on with it, or cancel it: POST /api/auth/session/${other.sessionId}/cancel.` },
        );
      journeys.run((other ?? fresh).sessionId, other === null);
      const progress = startProgress({
        what: `the address of ${sessionId}`,
        timeoutMs: BOOKING_TIMEOUT_MS,
        signal: AbortSignal.any([signal, stopping]),
      });
      const signin = await book.waitFor(
        other ?? fresh,
        ({ state }) => state !== 'requested',
        progress.signal,
      );
      if (signin.state === 'failed' && signin.vmId === null && signin.failure !== null)
        throw new HearthError(signin.failure.code, signin.failure.detail, { hint: signin.failure.hint });
      return { signin, begun: other === null };
    },
    find,
    list: async (identity, all) => {
      if (all && identity.role !== 'admin')
        throw new HearthError('forbidden', 'only an administrator sees all sign-ins');
      const list = await book.store.list(all ? {} : { userId: identity.userId });
      return Promise.all(list.map((signin) => book.current(signin)));
    },
    watch: (id, listener) => book.watch(id, listener),
    cancel: async (id, { identity }) => {
      await find(identity, id);
      const signin = await book.change(id, (now) => advanceSignin(now, 'cancelled', world.now()));
      if (signin?.state === 'cancelled') {
        journeys.run(id);
        return signin;
      }
      throw signin === null ? new HearthError('not_found', `there is no sign-in ${id}`) : ended(signin);
    },
    typeCode: async (id, { code }, { identity, requestId, signal }) => {
      const signin = await findOpen(identity, id);
      const vmId = requireWaiting(signin, 'code');
      if (!signin.wantsCode)
        throw new HearthError(
          'signin_not_waiting',
          `${providers[signin.provider].title} asks for no code now`,
        );
      await login.typeCode(vmId, code, { signal, requestId });
      return find(identity, id);
    },
    openUrl: async (id, named, { identity, requestId, signal }) => {
      const signin = await findOpen(identity, id);
      const url = named ?? signin.oauthUrl;
      if (named !== undefined && !isAllowedUrl(providers[signin.provider], named))
        throw new HearthError('url_not_allowed', `${hostOf(named)} is no page of this sign-in`, {
          issues: [{ path: 'url', message: 'is not allowed' }],
        });
      const vmId = requireWaiting(signin, 'link');
      if (url === null) throw new HearthError('signin_not_waiting', 'there is no link yet');
      await login.openUrl(vmId, url, { signal, requestId });
      return find(identity, id);
    },
    startWorker: () => {
      const takeUp = (): void => void journeys.takeUp();
      takeUp();
      const timer = setInterval(takeUp, TAKE_UP_PERIOD_MS);
      timer.unref();
      stopping.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}

/** Throws bad_request where the provider has no such way. */
function chooseMethod(provider: ProviderId, wanted: LoginMethod | undefined): LoginMethod {
  const { methods, login, title } = providers[provider];
  const known = methods.flatMap((method) =>
    method !== 'api_key' && login[method] !== undefined ? [method] : [],
  );
  const method = wanted ?? known[0];
  if (method !== undefined && known.includes(method)) return method;
  const message = `${title} is connected by ${methods.join(', ')}`;
  throw new HearthError('bad_request', `method: ${message}`, {
    issues: [{ path: 'method', message }],
    hint:
      known.length === 0
        ? `Give an API key: \`hearth credentials set-key ${provider}\`, or POST /api/auth/api-key.`
        : 'Choose one of these.',
  });
}

const ended = ({ sessionId, state, failure }: SigninRecord): HearthError =>
  new HearthError(
    'signin_ended',
    failure === null ? `${sessionId} is ${state}` : `${sessionId} is ${state}: ${failure.detail}`,
  );

/** Never the whole link: it may hold a code. */
const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host || 'it' : 'it');
