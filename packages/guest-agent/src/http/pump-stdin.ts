import { HearthError } from '@hearth/contract';
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
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
  try {
    await pipeline(request, stdin);
  } catch (cause) {
    if (request.errored !== null || !request.complete) {
      if (request.destroyed && request.socket.destroyed) {
        command.terminate();
        throw new HearthError('aborted', 'the input was cut off', { cause });
      }
    }
    throw new HearthError('conflict', 'the command stopped reading its standard input', {
      cause,
      hint: 'Its exit code tells whether that is a fault; many commands read only what they need.',
    });
  }
}
