import { HearthError } from '@hearth/contract';
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { RunningCommand } from '../exec/command.ts';

/**
 * Sends a request's body to a command's standard input, at the speed at which the command reads; the body's end is its end of file.
 * Throws HearthError conflict where the command stopped reading before; a body that is cut off ends the command, because
 * half an input must not look like a whole one.
 */
export async function pumpStdin(
  request: IncomingMessage,
  stdin: Writable,
  command: Pick<RunningCommand, 'terminate'>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const onData = (chunk: Buffer): void => {
    if (!stdin.write(chunk)) request.pause();
  };
  const onDrain = (): void => void request.resume();
  const onEnd = (): void => void stdin.end(() => resolve(undefined));
  const onCut = (): void => {
    if (request.complete) return;
    command.terminate();
    reject(new HearthError('aborted', 'the input was cut off'));
  };
  const onDeaf = (cause?: Error): void => {
    reject(
      new HearthError('conflict', 'the command stopped reading its standard input', {
        cause,
        hint: 'Its exit code tells whether that is a fault; many commands read only what they need.',
      }),
    );
  };
  request.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut);
  // The error handler stays: a write under way may fail after this has ended.
  stdin.on('drain', onDrain).on('error', onDeaf).on('close', onDeaf);
  if (stdin.destroyed) onDeaf();
  try {
    await promise;
  } finally {
    request.off('data', onData).off('end', onEnd).off('close', onCut);
    stdin.off('drain', onDrain).off('close', onDeaf);
  }
}
