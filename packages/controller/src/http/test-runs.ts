import {
  runEventSchema,
  runSchema,
  Secret,
  type ConfigInput,
  type ProviderId,
  type Run,
  type RunEvent,
  type UserId,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverEvents } from '../test-events.ts';
import { startTestController, until, type TestController } from '../test-controller.ts';
import { passingKeys } from '../vault/key-store.ts';

export const FAKE_KEY = 'sk-ant-fake-0123456789-NOT-A-TOKEN';

/** A controller on a fake host whose runs the test plays; with a database on disk, so that it can be started anew. */
export interface RunRig extends AsyncDisposable {
  host: FakeHost;
  readonly api: TestController;
  /** Stops the controller and starts another one on the same database, at the same address. */
  restart(): Promise<void>;
  /** A person that is connected by an API key; gives their token. */
  person(name: string, provider?: ProviderId): Promise<string>;
  userId(token: string): Promise<UserId>;
  post(token: string, body: object, headers?: Record<string, string>): Promise<Response>;
  begin(token: string, prompt: string, more?: object): Promise<Run>;
  show(token: string, id: string): Promise<Run>;
  becomes(token: string, id: string, state: Run['state']): Promise<Run>;
  events(token: string, id: string, after?: number): Promise<RunEvent[]>;
}

export async function startRunRig(config: ConfigInput = {}): Promise<RunRig> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-runs-'));
  const host = await startFakeHost(join(folder, 'host.sock'));
  const database = join(folder, 'hearth.db');
  const keys = passingKeys();
  const start = (port: number): Promise<TestController> =>
    startTestController(host.socketPath, config, {}, null, { database, keys, port });
  let api = await start(0);
  await until('the subscription', () => host.eventStreams() === 1);
  const userId = async (token: string): Promise<UserId> => {
    const me = (await (await api.call(token, 'GET', '/api/me')).json()) as { userId: UserId };
    return me.userId;
  };
  const show = async (token: string, id: string): Promise<Run> =>
    runSchema.parse(await (await api.call(token, 'GET', `/api/runs/${id}`)).json());
  const post: RunRig['post'] = (token, body, headers = {}) =>
    api.call(token, 'POST', '/api/runs', { body, headers });
  return {
    host,
    get api() {
      return api;
    },
    restart: async () => {
      await api[Symbol.asyncDispose]();
      api = await start(Number(new URL(api.url).port));
    },
    person: async (name, provider = 'claude_code') => {
      const token = await api.token(name);
      const id = await userId(token);
      await api.controller.credentials.storeApiKey({ userId: id, provider }, new Secret(FAKE_KEY), id);
      return token;
    },
    userId,
    post,
    begin: async (token, prompt, more = {}) => {
      const answer = await post(token, { provider: 'claude_code', prompt, ...more });
      if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
      return runSchema.parse(await answer.json());
    },
    show,
    becomes: async (token, id, state) => {
      await until(`${id} to be ${state}`, async () => (await show(token, id)).state === state);
      return show(token, id);
    },
    events: async (token, id, after = -1) => {
      const answer = await api.call(token, 'GET', `/api/runs/${id}/events?after=${after}`);
      const events: RunEvent[] = [];
      for await (const event of serverEvents(answer, runEventSchema)) events.push(event);
      return events;
    },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await host.close();
      await rm(folder, { recursive: true });
    },
  };
}
