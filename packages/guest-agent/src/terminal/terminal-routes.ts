import {
  createTerminalSchema,
  HearthError,
  makeId,
  parseWith,
  providers,
  TERMINAL_PROTOCOL,
  terminalIdSchema,
  terminalLimits,
  type CreateTerminal,
  type HeldCredential,
  type Log,
  type Provider,
  type ProviderId,
  type TerminalId,
} from '@hearth/contract';
import type { LoginUser } from '../exec/login-user.ts';
import { sendJson } from '../http/answer.ts';
import { readJson } from '../http/body.ts';
import type { Route } from '../http/context.ts';
import type { NativeModules } from '../pty/native-modules.ts';
import { startPty } from '../pty/pty.ts';
import { openInside } from '../runs/beneath.ts';
import type { RunCredentials } from '../runs/guest-run.ts';
import { createTerminalSession, type TerminalSession } from './terminal-session.ts';

export interface TerminalRoutesDeps {
  user: LoginUser;
  /** Loads what a terminal needs, at the first one. */
  modules: () => NativeModules;
  credentials: RunCredentials & { held: () => HeldCredential[] };
  randomBytes: (size: number) => Uint8Array;
  log: Log;
  now?: () => Date;
  lagBytes?: number;
  known?: Readonly<Partial<Record<ProviderId, Pick<Provider, 'interactive'>>>>;
}

/** GET/POST /terminals, DELETE /terminals/:id, GET /terminals/:id/attach of contract/terminal.ts. */
export function terminalRoutes({
  user,
  modules,
  credentials,
  randomBytes,
  log,
  now = () => new Date(),
  lagBytes,
  known = providers,
}: TerminalRoutesDeps): { routes: Route[]; stop(): void } {
  /** In the order of their making. */
  const sessions = new Map<TerminalId, TerminalSession>();
  let starting = 0;
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;

  const find = (text: string | undefined): [TerminalId, TerminalSession] => {
    const id = parseWith(terminalIdSchema, text, 'bad_request', 'terminal id');
    const session = sessions.get(id);
    if (session === undefined)
      throw new HearthError('not_found', `there is no terminal ${id} in this VM`, {
        hint: 'It was removed, or its VM was started anew: open another one.',
      });
    return [id, session];
  };
  /** Ended ones give way to new ones. */
  const makeRoom = (): void => {
    const ended = [...sessions].filter(([, session]) => session.view().exitCode !== null);
    let count = sessions.size + starting;
    for (const [id] of ended) {
      if (count < terminalLimits.terminals) return;
      sessions.delete(id);
      count -= 1;
    }
    if (count >= terminalLimits.terminals)
      throw new HearthError('terminal_limit', `${terminalLimits.terminals} terminals are open in this VM`);
  };

  const open = async ({ provider, cwd, cols, rows }: CreateTerminal): Promise<TerminalSession> => {
    const folder = await openInside(user.home, cwd ?? user.home, user, false);
    await folder.handle.close();
    const tool = provider === undefined ? null : known[provider]?.interactive;
    if (tool === undefined) throw new HearthError('bad_request', `there is no tool for ${provider ?? ''}`);
    let end = (): void => undefined;
    // Before the environment is read: a key that is taken away in between must not live on in a terminal.
    const releases = usedProviders(provider).map((one) => credentials.using(one, () => end()));
    const release = (): void => {
      for (const one of releases) one();
    };
    try {
      const pty = await startPty({
        modules: modules(),
        // A login shell either way, so that its profile is read; the tool takes the shell's place.
        command:
          tool === null ? [user.shell, '-l'] : [user.shell, '-lc', 'exec "$@"', 'hearth', ...tool.command],
        env: { COLORTERM: 'truecolor', ...tool?.env, ...credentials.environment(provider ?? null) },
        ...{ cwd: folder.path, user, cols, rows },
      });
      end = () => pty.terminate();
      const id = terminalIdSchema.parse(makeId('trm', randomBytes));
      const session = createTerminalSession({
        ...{
          id,
          provider: provider ?? null,
          createdAt: now().toISOString(),
          pty,
          modules: modules(),
          cols,
          rows,
        },
        ...(lagBytes === undefined ? {} : { lagBytes }),
        onFault: ({ detail }) => log('a viewer of a terminal was sent away', { id, detail }),
      });
      void session.ended.then(release);
      sessions.set(id, session);
      return session;
    } catch (error) {
      release();
      throw error;
    }
  };
  /** Whose end is the terminal's: that of its tool; a shell's are the keys in its environment. */
  const usedProviders = (provider: ProviderId | undefined): ProviderId[] =>
    provider === undefined
      ? credentials.held().flatMap((held) => (held.kind === 'api_key' ? [held.provider] : []))
      : [provider];

  const create: Route['handle'] = async ({ request, response }) => {
    const body = await readJson(request, createTerminalSchema);
    if (isStopping()) throw new HearthError('shutting_down', 'the agent stops');
    makeRoom();
    starting += 1;
    try {
      const session = await open(body);
      if (isStopping()) session.terminate();
      sendJson(response, 201, session.view());
    } finally {
      starting -= 1;
    }
  };
  const list: Route['handle'] = async ({ response }) => {
    sendJson(response, 200, { terminals: [...sessions.values()].map((session) => session.view()) });
  };
  const attach: Route['handle'] = async ({ params, upgrade }) => {
    const [id, session] = find(params[0]);
    if (session.view().viewers >= terminalLimits.viewers)
      throw new HearthError('viewer_limit', `${terminalLimits.viewers} viewers watch terminal ${id}`);
    session.attach(upgrade(TERMINAL_PROTOCOL));
  };
  const remove: Route['handle'] = async ({ response, params }) => {
    const [id, session] = find(params[0]);
    session.terminate();
    sessions.delete(id);
    response.writeHead(204).end();
  };

  return {
    routes: [
      { method: 'GET', path: /^\/terminals$/, handle: list },
      { method: 'POST', path: /^\/terminals$/, handle: create },
      { method: 'DELETE', path: /^\/terminals\/([^/]+)$/, handle: remove },
      { method: 'GET', path: /^\/terminals\/([^/]+)\/attach$/, handle: attach },
    ],
    stop: () => {
      stopping.abort();
      for (const session of sessions.values()) {
        session.terminate();
        session.close();
      }
    },
  };
}
