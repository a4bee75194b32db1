import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { repository } from '@hearth/testing';

const runFile = promisify(execFile);
/** Of the plain listener, which the test steers it by. */
const CONTROL_PORT = 8787;

/** One line of what the stand-in was asked; keys are masked. */
export interface Asked {
  time: string;
  method: string;
  host: string;
  path: string;
  grantType: string | null;
  status: number;
}

/** The stand-in of all providers inside the namespace of a Hearth, on its bridge, under the providers' own names. */
export interface StandInWorld extends AsyncDisposable {
  /** `POST /__stand-in/…`, see packages/testing/src/stand-in/control.ts. */
  tell(path: string, body?: object): Promise<void>;
  requests(): Promise<Asked[]>;
  /** A page as a person's own browser gets it, wherever that is; redirects are not followed. */
  visit(url: string, form?: Record<string, string>): Promise<Visit>;
}

export interface Visit {
  status: number;
  location: string | null;
  text: string;
}

export async function openStandInWorld(options: {
  namespace: string;
  /** The bridge's own. */
  address: string;
  /** Holds the authority. */
  tlsFolder: string;
  /** In the text of every token. */
  canary: string;
}): Promise<StandInWorld> {
  const { namespace, address, tlsFolder, canary } = options;
  const inside = ['--net=/run/netns/' + namespace];
  // It must not outlive a test run that is killed.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'nsenter', ...inside, process.execPath],
      join(repository, 'packages/testing/src/stand-in/main.ts'),
      ...['--address', address, '--port', String(CONTROL_PORT)],
      ...['--tls', tlsFolder, '--tls-address', address, '--tls-port', '443', '--canary', canary],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const listening = Promise.withResolvers<undefined>();
  child.once('exit', (code) => listening.reject(new Error(`the stand-in ended with ${code}`)));
  createInterface(child.stdout).on('line', () => listening.resolve(undefined));
  await listening.promise;

  const ask = async (method: string, path: string, body: object = {}): Promise<unknown> => {
    const script = `
      const [url, method, body] = process.argv.slice(1);
      const answer = await fetch(url, { method, ...(method === 'GET' ? {} : { body }),
        headers: { 'content-type': 'application/json' } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(answer.status + ' ' + text);
      console.log(text);
    `;
    const url = `http://${address}:${CONTROL_PORT}${path}`;
    const { stdout } = await runFile(
      'nsenter',
      [...inside, process.execPath, '--input-type=module', '-e', script, url, method, JSON.stringify(body)],
      { timeout: 20_000, maxBuffer: 64 * 1024 * 1024 },
    );
    return JSON.parse(stdout) as unknown;
  };
  const visit = async (url: string, form?: Record<string, string>): Promise<Visit> => {
    const script = `
      import { request } from 'node:https';
      import { readFileSync } from 'node:fs';
      const [address, url, ca, body] = process.argv.slice(1);
      const { hostname, pathname, search } = new URL(url);
      const headers = { host: hostname, ...(body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) };
      const call = request({ host: address, servername: hostname, path: pathname + search, ca: readFileSync(ca), headers,
        method: body ? 'POST' : 'GET' }, async (answer) => {
        let text = '';
        for await (const chunk of answer) text += chunk;
        console.log(JSON.stringify({ status: answer.statusCode, location: answer.headers.location ?? null, text }));
      });
      call.end(body);
    `;
    const body = form === undefined ? '' : new URLSearchParams(form).toString();
    const { stdout } = await runFile(
      'nsenter',
      [
        ...[...inside, process.execPath, '--input-type=module', '-e', script],
        ...[address, url, join(tlsFolder, 'ca.pem'), body],
      ],
      { timeout: 20_000 },
    );
    return JSON.parse(stdout) as Visit;
  };
  return {
    visit,
    tell: async (path, body) => {
      await ask('POST', `/__stand-in/${path}`, body);
    },
    requests: async () => (await ask('GET', '/__stand-in/requests')) as Asked[],
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
