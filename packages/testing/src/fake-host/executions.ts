import {
  encodeLine,
  execIdSchema,
  HearthError,
  makeId,
  toProblem,
  type ExecEvent,
  type ExecId,
  type ExecRequest,
} from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { constants } from 'node:os';

/** One command that "runs". Programs: echo, env, cat (stdin), fail CODE, sleep, die (drops the connection). */
interface Execution {
  end(exitCode: number, signal: string | null): void;
  onStdin: (bytes: AsyncIterable<Uint8Array>) => Promise<number>;
}

export interface Executions {
  readonly running: ReadonlyMap<ExecId, unknown>;
  /** Answers POST …/exec. */
  start(request: ExecRequest, response: ServerResponse): void;
  stdin(id: string, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  signal(id: string, signal: NodeJS.Signals): void;
}

const event = (response: ServerResponse, line: ExecEvent): void => {
  response.write(encodeLine(line));
};
const base64 = (data: string | Uint8Array): string => Buffer.from(data).toString('base64');

async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => resolve(undefined);
  response.once('drain', done).once('close', done);
  await promise;
  response.off('drain', done).off('close', done);
}

export function createExecutions(): Executions {
  const running = new Map<ExecId, Execution>();
  const find = (id: string): Execution => {
    const parsed = execIdSchema.safeParse(id);
    const execution = parsed.success ? running.get(parsed.data) : undefined;
    if (execution === undefined) throw new HearthError('not_found', `there is no running command ${id}`);
    return execution;
  };

  return {
    running,
    stdin: (id, bytes) => find(id).onStdin(bytes),
    signal: (id, signal) => {
      find(id).end(128 + constants.signals[signal], signal);
    },
    start: (request, response) => {
      const id = execIdSchema.parse(makeId('ex', randomBytes));
      const startedAt = performance.now();
      let timer: NodeJS.Timeout | undefined;
      const end = (exitCode: number, signal: string | null, timedOut = false): void => {
        if (!running.delete(id)) return;
        clearTimeout(timer);
        const durationMs = performance.now() - startedAt;
        event(response, { type: 'exit', exitCode, signal, timedOut, durationMs });
        response.end();
      };
      const noInput = async (): Promise<number> => {
        throw new HearthError('conflict', 'this command was started without stdin');
      };
      const copy = async (bytes: AsyncIterable<Uint8Array>): Promise<number> => {
        let count = 0;
        for await (const chunk of bytes) {
          count += chunk.length;
          event(response, { type: 'stdout', dataBase64: base64(chunk) });
          if (response.writableNeedDrain) await drained(response);
        }
        end(0, null);
        return count;
      };
      running.set(id, { end, onStdin: request.stdin ? copy : noInput });
      // The reader went away: the command ends (F45).
      response.on('close', () => {
        clearTimeout(timer);
        running.delete(id);
      });
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      if (request.timeoutMs !== undefined)
        timer = setTimeout(() => end(137, 'SIGKILL', true), request.timeoutMs);
      const [program = '', ...args] = request.command;
      const fail = (detail: string): void => {
        running.delete(id);
        event(response, { type: 'error', problem: toProblem(new HearthError('exec_failed', detail)) });
        response.end();
      };
      event(response, { type: 'started', execId: id, pid: 4242 });
      switch (program) {
        case 'echo':
          event(response, { type: 'stdout', dataBase64: base64(`${args.join(' ')}\n`) });
          end(0, null);
          return;
        case 'env':
          event(response, { type: 'stdout', dataBase64: base64(JSON.stringify(request.env ?? {})) });
          end(0, null);
          return;
        case 'fail':
          event(response, { type: 'stderr', dataBase64: base64('it failed\n') });
          end(Number(args[0] ?? '1'), null);
          return;
        case 'cat':
          if (!request.stdin) end(0, null);
          return;
        case 'sleep':
          return;
        case 'die':
          // After the first line left, so that the reader has seen part of an answer.
          setTimeout(() => response.destroy(), 20);
          return;
        default:
          fail(`${program}: no such program`);
      }
    },
  };
}
