import { parseConfig, type ConfigInput, type Role } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { World } from './clock.ts';
import { buildController, type Controller } from './controller.ts';
import { connectHost } from './host-link/unix-socket.ts';
import { openDatabase, type Database } from './store/database.ts';
import { passingKeys, type KeyStore } from './vault/key-store.ts';
import type { WebApp } from './web-app.ts';

export interface TestController extends AsyncDisposable {
  controller: Controller;
  db: Database;
  url: string;
  /** What was logged, line by line. */
  logged: string[];
  /** Makes a token of a user with that name. */
  token(name: string, role?: Role): Promise<string>;
  /** Calls as the owner of the token; a body that is no string goes as JSON. */
  call(token: string | null, method: string, path: string, options?: CallOptions): Promise<Response>;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A controller of its own on a free port with an empty database, and no warm VMs unless told; `kept` is what outlives it: for tests of this package. */
export async function startTestController(
  socketPath: string,
  config: ConfigInput = {},
  world: Partial<World> = {},
  web: WebApp | null = null,
  kept: { database?: string; keys?: KeyStore; port?: number } = {},
): Promise<TestController> {
  const logged: string[] = [];
  const db = await openDatabase(kept.database ?? ':memory:');
  const host = connectHost(socketPath);
  const controller = await buildController({
    config: parseConfig({ ...config, vms: { warm: { cli: 0, browser: 0 }, ...config.vms } }, {}),
    version: '0.0.0',
    db,
    host,
    keys: kept.keys ?? passingKeys(),
    world: { now: () => new Date(), randomBytes, ...world },
    web,
    logger: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
  });
  const url = await controller.app.listen({ host: '127.0.0.1', port: kept.port ?? 0 });
  controller.startWorkers();
  return {
    controller,
    db,
    url,
    logged,
    token: async (user, role = 'user') => (await controller.access.createToken({ role, user })).token,
    call: (token, method, path, { body, headers, signal } = {}) =>
      fetch(new URL(path, url), {
        method,
        redirect: 'manual',
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      }),
    [Symbol.asyncDispose]: () => controller.close(),
  };
}

/** Resolves once `holds` gives true; throws after the time, with what it waited for. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 5000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
