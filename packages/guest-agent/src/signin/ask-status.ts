import { pause, type Provider } from '@hearth/contract';
import { finished } from 'node:stream/promises';
import { startCommand } from '../exec/command.ts';
import type { LoginUser } from '../exec/login-user.ts';
import type { PipeStore } from '../exec/pipes.ts';

/** A tool in JavaScript needs half a minute to start in an emulated VM. */
const TIMEOUT_MS = 120_000;
const LAST_WORDS_MS = 1000;
const MAX_OUTPUT = 64 * 1024;

/** What the tool's own status command says. Throws HearthError exec_failed, or the signal's reason. */
export async function askStatus(
  { status }: Pick<Provider, 'status'>,
  user: LoginUser,
  pipes: PipeStore,
  signal: AbortSignal,
): Promise<{ signedIn: boolean; words: string }> {
  const command = await startCommand(
    { command: [...status.command], user: user.name, env: {}, stdin: false },
    user,
    pipes,
  );
  let output = '';
  for (const stream of [command.stdout, command.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-MAX_OUTPUT);
    });
  const over = new AbortController();
  const late = pause(TIMEOUT_MS, AbortSignal.any([signal, over.signal])).then(
    () => 'late' as const,
    () => 'aborted' as const,
  );
  try {
    const first = await Promise.race([command.exited, late]);
    signal.throwIfAborted();
    if (typeof first === 'string')
      return {
        signedIn: false,
        words: `${status.command.join(' ')} did not answer within ${TIMEOUT_MS / 1000} s`,
      };
    // Its last words may come after its end; a child of its own may hold the outputs open for longer.
    const read = [command.stdout, command.stderr].map((stream) => finished(stream, { writable: false }));
    await Promise.race([Promise.allSettled(read), pause(LAST_WORDS_MS, over.signal)]);
    return status.read(first.exitCode, output);
  } finally {
    over.abort();
    command.terminate();
    command.stdout.destroy();
    command.stderr.destroy();
  }
}
