import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const heldSchema = z.object({ rssBytes: z.number(), heapBytes: z.number(), files: z.number() });
export type Held = z.infer<typeof heldSchema>;

/** A program of ours in a process of its own, that tells what it holds. */
export interface ProbedProcess extends AsyncDisposable {
  /** The first line that it printed. */
  readonly firstLine: string;
  /** After a garbage collection. */
  held(): Promise<Held>;
}

const ANSWER_TIMEOUT_MS = 30_000;

export async function startProbed(program: string, args: readonly string[]): Promise<ProbedProcess> {
  const child = fork(program, [...args], {
    execArgv: [
      ...['--disable-warning=ExperimentalWarning', '--expose-gc'],
      `--import=${join(import.meta.dirname, '../memory-probe.mjs')}`,
    ],
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  if (child.stdout === null) throw new Error(`${program} has no output`);
  const lines = createInterface(child.stdout);
  const firstLine = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(() => {
      throw new Error(`${program} ended at once`);
    }),
  ]);
  return {
    firstLine,
    held: async () => {
      const answered = once(child, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
      child.send('held');
      const [answer] = (await answered) as unknown[];
      return heldSchema.parse(answer);
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      child.kill('SIGTERM');
      await ended;
    },
  };
}
