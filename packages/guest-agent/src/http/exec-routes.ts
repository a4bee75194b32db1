import {
  asHearthError,
  encodeLine,
  execIdSchema,
  execRequestSchema,
  execSignalSchema,
  HearthError,
  makeId,
  parseWith,
  toProblem,
  type ExecEvent,
  type ExecId,
  type ExecRequest,
  type Log,
} from '@hearth/contract';
import { startCommand, type RunningCommand } from '../exec/command.ts';
import type { LoginUsers } from '../exec/login-user.ts';
import type { PipeStore } from '../exec/pipes.ts';
import { requestId } from './answer.ts';
import { readJson } from './body.ts';
import type { Route } from './context.ts';
import { relayOutput } from './relay-output.ts';
import { pumpStdin } from './pump-stdin.ts';

export interface ExecRoutesOptions {
  users: LoginUsers;
  pipes: PipeStore;
  randomBytes: (size: number) => Uint8Array;
  log: Log;
  now?: () => number;
}

interface Session {
  command: RunningCommand;
  /** Its one PUT of standard input has come. */
  stdinTaken: boolean;
}

/** Commands under way at once in one VM. */
const MAX_COMMANDS = 128;

export interface ExecRoutes {
  routes: Route[];
  /** Ends every command. */
  stop(): void;
}

export function execRoutes({
  users,
  pipes,
  randomBytes,
  log,
  now = () => performance.now(),
}: ExecRoutesOptions): ExecRoutes {
  const sessions = new Map<ExecId, Session>();
  let starting = 0;

  const find = (id: string | undefined): Session => {
    const execId = parseWith(execIdSchema, id, 'bad_request', 'exec id');
    const session = sessions.get(execId);
    if (session === undefined)
      throw new HearthError('not_found', `no command ${execId} is running`, {
        hint: 'It has ended, or was never started in this boot.',
      });
    return session;
  };

  const start: Route['handle'] = async ({ request, response }) => {
    if (sessions.size + starting >= MAX_COMMANDS)
      throw new HearthError('rate_limited', `${MAX_COMMANDS} commands are running in this VM`, {
        hint: 'Wait until some of them have ended.',
      });
    const startedMs = now();
    const execId = execIdSchema.parse(makeId('ex', randomBytes));
    const say = (event: ExecEvent): boolean => response.write(encodeLine(event));
    let command: RunningCommand | undefined;
    let timer: NodeJS.Timeout | undefined;
    let timedOut = false;
    starting++;
    try {
      const body: ExecRequest = await readJson(request, execRequestSchema);
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
      command = await startCommand(body, users[body.user], pipes);
      const running = command;
      // F45: the reader went away, so the command ends with all its children.
      response.once('close', () => {
        if (!response.writableEnded) running.terminate();
      });
      if (response.destroyed) running.terminate();
      sessions.set(execId, { command: running, stdinTaken: false });
      say({ type: 'started', execId, pid: running.pid });
      if (body.timeoutMs !== undefined)
        timer = setTimeout(() => {
          timedOut = true;
          running.terminate();
        }, body.timeoutMs);
      await relayOutput(running, response, say);
      const { exitCode, signal } = await running.exited;
      say({ type: 'exit', exitCode, signal, timedOut, durationMs: Math.round(now() - startedMs) });
      response.end();
    } catch (error) {
      command?.terminate();
      if (!response.headersSent) throw error;
      const known = asHearthError(error);
      if (known.code === 'internal') log('exec failed', { execId, error: known.detail });
      say({ type: 'error', problem: toProblem(known, requestId(request)) });
      response.end();
    } finally {
      starting--;
      // Whoever still sends input is told that nobody reads it.
      command?.stdin?.destroy();
      clearTimeout(timer);
      sessions.delete(execId);
    }
  };

  const stdin: Route['handle'] = async ({ request, response, params }) => {
    const session = find(params[0]);
    if (session.command.stdin === null)
      throw new HearthError('conflict', 'the command was started without `stdin: true`', {
        hint: 'Start it with `stdin: true`.',
      });
    if (session.stdinTaken)
      throw new HearthError('conflict', 'the command’s standard input was sent already', {
        hint: 'Send all of it in one request.',
      });
    session.stdinTaken = true;
    await pumpStdin(request, session.command.stdin, session.command);
    response.writeHead(204).end();
  };

  const signal: Route['handle'] = async ({ request, response, params }) => {
    const { command } = find(params[0]);
    const body = await readJson(request, execSignalSchema);
    if (!command.signal(body.signal)) throw new HearthError('not_found', 'the command has ended');
    response.writeHead(204).end();
  };

  return {
    routes: [
      { method: 'POST', path: /^\/exec$/, handle: start },
      { method: 'PUT', path: /^\/exec\/([^/]+)\/stdin$/, handle: stdin },
      { method: 'POST', path: /^\/exec\/([^/]+)\/signal$/, handle: signal },
    ],
    stop: () => {
      for (const { command } of sessions.values()) command.terminate();
    },
  };
}
