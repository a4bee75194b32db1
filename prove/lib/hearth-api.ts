import { setTimeout as pause } from 'node:timers/promises';
import {
  credentialListSchema,
  execEventSchema,
  readEvents,
  runListSchema,
  runSchema,
  signinListSchema,
  signinSchema,
  startedSigninSchema,
  vmListSchema,
  vmSchema,
  type Credential,
  type CreateRun,
  type Run,
  type Signin,
  type StartSignin,
  type UserId,
  type Vm,
} from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';
import { z } from 'zod';

const CALL_TIMEOUT_MS = 30_000;

/** The API of a lab's Hearth as its administrator uses it. Every call throws where the answer is none or not as promised. */
export interface HearthApi {
  /** Everybody's, that are not deleted. */
  vms(): Promise<Vm[]>;
  vm(id: Vm['id']): Promise<Vm>;
  /** Of kind `cli`; the caller's own where nobody is named. */
  createVm(userId?: UserId): Promise<Vm>;
  deleteVm(id: Vm['id']): Promise<void>;
  /** What a command in the VM printed; throws unless it succeeded. */
  exec(id: Vm['id'], ...command: string[]): Promise<string>;
  startRun(body: CreateRun): Promise<Run>;
  run(id: Run['id']): Promise<Run>;
  runs(): Promise<Run[]>;
  startSignin(body: StartSignin): Promise<Signin>;
  signin(id: Signin['sessionId']): Promise<Signin>;
  signins(): Promise<Signin[]>;
  credentials(): Promise<Credential[]>;
}

export function hearthApi(lab: HearthLab): HearthApi {
  const call = async (method: string, path: string, body?: object): Promise<Response> => {
    const answer = await lab.fetch(path, {
      method,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const json = async <Schema extends z.ZodType>(
    schema: Schema,
    method: string,
    path: string,
    body?: object,
  ): Promise<z.infer<Schema>> => schema.parse(await (await call(method, path, body)).json());
  return {
    vms: async () =>
      (await json(vmListSchema, 'GET', '/api/vms?all=true')).vms.filter(({ state }) => state !== 'deleted'),
    vm: (id) => json(vmSchema, 'GET', `/api/vms/${id}`),
    createVm: (userId) =>
      json(vmSchema, 'POST', '/api/vms', { kind: 'cli', ...(userId === undefined ? {} : { userId }) }),
    deleteVm: async (id) => {
      await call('DELETE', `/api/vms/${id}`);
    },
    exec: async (id, ...command) => {
      const answer = await call('POST', `/api/vms/${id}/exec`, { command });
      let stdout = '';
      const bytes = answer.body as unknown as AsyncIterable<Uint8Array>;
      for await (const event of readEvents(bytes, execEventSchema)) {
        if (event.type === 'stdout') stdout += Buffer.from(event.dataBase64, 'base64').toString();
        if (event.type === 'error') throw new Error(`${command.join(' ')}: ${event.problem.detail}`);
        if (event.type === 'exit' && event.exitCode !== 0)
          throw new Error(`${command.join(' ')}: exit code ${event.exitCode}`);
      }
      return stdout;
    },
    startRun: (body) => json(runSchema, 'POST', '/api/runs', body),
    run: (id) => json(runSchema, 'GET', `/api/runs/${id}`),
    runs: async () => (await json(runListSchema, 'GET', '/api/runs')).runs,
    startSignin: (body) => json(startedSigninSchema, 'POST', '/api/auth/start', body),
    signin: (id) => json(signinSchema, 'GET', `/api/auth/session/${id}`),
    signins: async () => (await json(signinListSchema, 'GET', '/api/auth/sessions')).sessions,
    credentials: async () =>
      (await json(credentialListSchema, 'GET', '/api/auth/credentials')).credentials.filter(
        ({ state }) => state !== 'removed',
      ),
  };
}

/** Asks until it holds, and gives that; throws with the last answer after the time. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  { timeoutMs, everyMs = 200 }: { timeoutMs: number; everyMs?: number },
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (performance.now() > endMs)
      throw new Error(`${what} did not come within ${timeoutMs / 1000} s: ${JSON.stringify(answer)}`);
    await pause(everyMs);
  }
}
