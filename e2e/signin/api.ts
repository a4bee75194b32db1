import {
  credentialListSchema,
  readEvents,
  runEventSchema,
  runSchema,
  signinSchema,
  startedSigninSchema,
  terminalRunStates,
  terminalSigninStates,
  type CreateRun,
  type Credential,
  type ProviderId,
  type Run,
  type RunEvent,
  type Signin,
  type StartSignin,
} from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';
import { expect } from 'vitest';

/** The API of sign-ins and runs, as one user of it; an administrator without a token of their own. */
export interface UserApi {
  call(method: string, path: string, body?: object): Promise<Response>;
  start(body: StartSignin): Promise<Signin>;
  signin(id: Signin['sessionId']): Promise<Signin>;
  /** The sign-in once it fits, or is over. */
  signinWhen(id: Signin['sessionId'], fits: (signin: Signin) => boolean, timeoutMs?: number): Promise<Signin>;
  credential(provider: ProviderId): Promise<Credential | undefined>;
  /** Starts a run and waits for its end. */
  run(body: CreateRun, timeoutMs?: number): Promise<{ run: Run; events: RunEvent[]; text: string }>;
}

export function userApi(lab: HearthLab, token?: string): UserApi {
  const call: UserApi['call'] = (method, path, body) =>
    lab.fetch(path, {
      method,
      ...(token === undefined ? {} : { token }),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  const json = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await call(method, path, body);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as unknown;
  };
  const signin: UserApi['signin'] = async (id) =>
    signinSchema.parse(await json('GET', `/api/auth/session/${id}`));
  return {
    call,
    signin,
    start: async (body) => startedSigninSchema.parse(await json('POST', '/api/auth/start', body)),
    signinWhen: async (id, fits, timeoutMs = 240_000) => {
      let last = await signin(id);
      await expect
        .poll(
          async () => {
            last = await signin(id);
            return fits(last) || terminalSigninStates.includes(last.state);
          },
          { timeout: timeoutMs, interval: 500, message: JSON.stringify(last) },
        )
        .toBe(true);
      return last;
    },
    credential: async (provider) =>
      credentialListSchema
        .parse(await json('GET', '/api/auth/credentials'))
        .credentials.find((credential) => credential.provider === provider && credential.state !== 'removed'),
    run: async (body, timeoutMs = 300_000) => {
      const started = runSchema.parse(await json('POST', '/api/runs', body));
      let run = started;
      await expect
        .poll(
          async () => {
            run = runSchema.parse(await json('GET', `/api/runs/${started.id}`));
            return terminalRunStates.includes(run.state);
          },
          { timeout: timeoutMs, interval: 500, message: `the end of ${started.id}` },
        )
        .toBe(true);
      const answer = await call('GET', `/api/runs/${started.id}/events`);
      const events: RunEvent[] = [];
      for await (const event of readEvents(dataLines(answer), runEventSchema)) events.push(event);
      const text = events.flatMap((event) => (event.type === 'text' ? [event.text] : [])).join('');
      return { run, events, text };
    },
  };
}

/** The data of server-sent events, a line each. */
async function* dataLines(answer: Response): AsyncGenerator<Uint8Array> {
  const text = await answer.text();
  for (const [, data = ''] of text.matchAll(/^data: (.*)$/gm)) yield new TextEncoder().encode(`${data}\n`);
}
