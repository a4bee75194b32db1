import { HearthError, type Log } from '@hearth/contract';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describeError } from '../log.ts';

/** A program of ours that is kept running, because starting one costs 50 to 500 ms under emulation: an order a line, an answer each. */
export interface OrderTaker {
  /** Resolves when the order is carried out. Throws HearthError internal with the program's reason. */
  send(order: string): Promise<void>;
  stop(): void;
}

export interface OrderTakerOptions {
  program: string;
  args?: readonly string[];
  log: Log;
  /** For one order, the program's start included. */
  timeoutMs?: number;
}

type Waiting = PromiseWithResolvers<undefined>;

/** Starts the program; where it ended it is started anew by the next order. */
export function startOrderTaker({
  program,
  args = [],
  log,
  timeoutMs = 10_000,
}: OrderTakerOptions): OrderTaker {
  let child: ChildProcessWithoutNullStreams | undefined;
  let waiting: Waiting[] = [];
  let stopped = false;

  const start = (): ChildProcessWithoutNullStreams => {
    const started = spawn(program, [...args], { env: { LC_ALL: 'C.UTF-8' } });
    const mine: Waiting[] = [];
    waiting = mine;
    let complaint = '';
    const end = (reason: string): void => {
      if (child === started) child = undefined;
      for (const order of mine.splice(0))
        order.reject(
          new HearthError('internal', `${program}: ${reason}${complaint && `: ${complaint.trim()}`}`),
        );
    };
    createInterface({ input: started.stdout }).on('line', (line) => {
      const order = mine.shift();
      if (line === 'ok') order?.resolve(undefined);
      else order?.reject(new HearthError('internal', `${program}: ${line.replace(/^error /, '')}`));
    });
    started.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-500)));
    started.stdin.on('error', (error) =>
      log('order was not taken', { program, error: describeError(error) }),
    );
    started.once('error', (error) => end(describeError(error)));
    started.once('close', (code, signal) => {
      if (!stopped) log('taker of orders ended', { program, code, signal, complaint });
      end(`it ended (${signal ?? code ?? 'no code'})`);
    });
    return started;
  };
  child = start();

  return {
    send: async (order) => {
      if (stopped) throw new HearthError('internal', `${program} was stopped`);
      const taker = (child ??= start());
      const answer: Waiting = Promise.withResolvers();
      waiting.push(answer);
      const timer = setTimeout(() => {
        answer.reject(new HearthError('internal', `${program} did not answer within ${timeoutMs} ms`));
        // Answers come in turn: what would come late would be taken for the next one's.
        taker.kill('SIGKILL');
        if (child === taker) child = undefined;
      }, timeoutMs);
      try {
        taker.stdin.write(`${order}\n`);
        await answer.promise;
      } finally {
        clearTimeout(timer);
      }
    },
    stop: () => {
      stopped = true;
      child?.stdin.end();
    },
  };
}
