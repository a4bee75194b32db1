import {
  asHearthError,
  errorTable,
  fromProblem,
  HearthError,
  pause,
  providers,
  signinEventSchema,
  signinSchema,
  startedSigninSchema,
  terminalSigninStates,
  type LoginMethod,
  type ProviderId,
  type Signin,
  type SigninId,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { readServerSentEvents } from '../api/server-sent-events.ts';
import { withApi, type Context } from '../context.ts';
import { askForText } from '../terminal/question.ts';
import { readKey, storeKey, type KeyOptions } from './credentials.ts';

export interface SigninOptions extends KeyOptions {
  method?: LoginMethod;
}

/** The VM is booted and its address booked before the answer. */
const START_TIMEOUT_MS = 60_000;
const CANCEL_TIMEOUT_MS = 10_000;

const stateWords: Readonly<Record<Signin['state'], string>> = {
  requested: 'asking for a browser VM',
  starting: 'the browser VM starts',
  ready: 'the browser VM is ready; the login begins',
  awaiting_user: 'your turn',
  verifying: 'signed in; checking it and putting it into the vault',
  completed: 'connected',
  failed: 'failed',
  cancelled: 'cancelled',
  expired: 'expired',
};

/** Connects a provider, and returns when that is done. Ctrl-C cancels the sign-in. */
export async function signIn(provider: ProviderId, options: SigninOptions): Promise<void> {
  const { apiKeyFile, method } = options;
  if (apiKeyFile !== undefined && method !== undefined)
    throw new HearthError('bad_request', '--method and --api-key-file exclude each other', {
      hint: 'An API key needs no sign-in.',
    });
  await withApi(options, async (api, context) => {
    if (apiKeyFile !== undefined) {
      await storeKey(api, provider, await readKey(apiKeyFile), context);
      return;
    }
    const { out, signal } = context;
    const started = await api.call('POST', startedSigninSchema, '/api/auth/start', {
      json: { provider, method },
      signal,
      timeoutMs: START_TIMEOUT_MS,
    });
    try {
      const done = await follow(api, started.sessionId, context);
      finish(done, context);
    } catch (error) {
      if (!signal.aborted) throw error;
      await cancel(api, started.sessionId, out);
      throw error;
    }
  });
}

async function follow(api: Api, id: SigninId, context: Context): Promise<Signin> {
  const { signal } = context;
  const narrate = narrator(api, context);
  for (;;) {
    try {
      const { body } = await api.open('GET', `/api/auth/session/${id}/events`, { signal });
      for await (const { signin } of readServerSentEvents(body, signinEventSchema)) {
        narrate.tell(signin);
        if (terminalSigninStates.includes(signin.state)) return signin;
      }
    } catch (error) {
      // A controller that restarts goes on with the sign-in.
      if (signal.aborted || asHearthError(error).code !== 'controller_unreachable') throw error;
    } finally {
      narrate.stop();
    }
    await pause(1000, signal);
  }
}

/** Says what changed, and asks for the code while the tool waits for one. */
function narrator(api: Api, { out, signal }: Context): { tell: (signin: Signin) => void; stop: () => void } {
  const { paint } = out;
  const said = new Set<string>();
  let asking: AbortController | null = null;
  /** A code was given, and the tool has not said anything about it. */
  let answered = false;
  let lastRefusal: string | null = null;
  const once = (line: string): void => {
    if (said.has(line)) return;
    said.add(line);
    out.note(line);
  };
  const stop = (): void => {
    asking?.abort();
    asking = null;
  };
  const ask = (signin: Signin): void => {
    const question = askForText(out);
    if (question === null) {
      once(
        '  It waits for the code that the page shows; give it on the Connect page, or run this on a terminal.',
      );
      return;
    }
    const mine = new AbortController();
    asking = mine;
    void (async () => {
      const code = await question(
        'Paste the code that the page shows',
        AbortSignal.any([signal, mine.signal]),
      );
      if (asking === mine) asking = null;
      if (code === null) return;
      try {
        await api.call('POST', signinSchema, `/api/auth/session/${signin.sessionId}/paste-code`, {
          json: { code },
          signal,
        });
        answered = true;
      } catch (error) {
        out.note(`${paint.bad('not taken:')} ${asHearthError(error).message}`);
        ask(signin);
      }
    })();
  };
  return {
    stop,
    tell: (signin) => {
      if (out.json) {
        out.value(signin);
        return;
      }
      const { state, oauthUrl, userCode, novncURL, codeRefused, wantsCode, provider, method } = signin;
      once(`${providers[provider].title}, ${method.replaceAll('_', ' ')}: ${signin.sessionId}`);
      once(`  ${stateWords[state]}`);
      if (novncURL !== null) once(`  ${paint.dim('desktop:')} ${new URL(novncURL, api.origin).toString()}`);
      if (oauthUrl !== null) once(`  ${paint.bold('sign in at:')} ${oauthUrl}`);
      if (userCode !== null) once(`  ${paint.bold('type there:')} ${userCode}`);
      if (codeRefused !== lastRefusal) {
        if (codeRefused !== null) out.note(`  ${paint.bad('refused:')} ${codeRefused}`);
        lastRefusal = codeRefused;
        answered = false;
      }
      if (!wantsCode) {
        stop();
        answered = false;
      } else if (asking === null && !answered) ask(signin);
    },
  };
}

function finish(signin: Signin, { out }: Context): void {
  const { state, failure, provider, account } = signin;
  const { title } = providers[provider];
  if (state === 'completed') {
    if (!out.json) out.line(`Connected: ${title}${account === null ? '' : ` as ${account}`}`);
    return;
  }
  if (failure === null) throw new HearthError('signin_ended', `the sign-in to ${title} was ${state}`);
  const { status, retryable } = errorTable[failure.code];
  throw fromProblem({ ...failure, type: `urn:hearth:error:${failure.code}`, status, retryable });
}

/** Ctrl-C came; this call has its own time. */
async function cancel(api: Api, id: SigninId, out: Context['out']): Promise<void> {
  try {
    await api.call('POST', signinSchema, `/api/auth/session/${id}/cancel`, { timeoutMs: CANCEL_TIMEOUT_MS });
    out.note('the sign-in is cancelled, and its VM is deleted');
  } catch (error) {
    out.note(`the sign-in could not be cancelled: ${asHearthError(error).message}`);
  }
}
