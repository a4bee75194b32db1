import type { ExecEvent } from '@hearth/contract';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { RunningCommand } from '../exec/command.ts';

/** A child in the background may keep the outputs open after the command itself has ended: so long is waited for its last words. */
const LINGER_MS = 1500;

/**
 * Hands both outputs on until they end, at the speed at which the reader takes them: a slow reader slows the command down.
 * Nothing that the command wrote before its end is lost.
 */
export async function relayOutput(
  command: RunningCommand,
  reader: Writable,
  say: (event: ExecEvent) => boolean,
): Promise<void> {
  const { stdout, stderr } = command;
  const sources = [stdout, stderr];
  let paused = false;
  const resume = (): void => {
    paused = false;
    for (const source of sources) source.resume();
  };
  for (const [type, source] of [
    ['stdout', stdout],
    ['stderr', stderr],
  ] as const) {
    source.on('data', (chunk: Buffer) => {
      if (reader.destroyed || say({ type, dataBase64: chunk.toString('base64') }) || paused) return;
      paused = true;
      for (const one of sources) one.pause();
      reader.once('drain', resume);
    });
  }
  // A reader that is gone takes nothing any more: what still comes is dropped, so that the command can end.
  reader.once('close', resume);

  const ended = Promise.allSettled(sources.map((source) => finished(source, { writable: false })));
  let settled = false;
  const lingered = async (): Promise<void> => {
    await command.exited;
    for (let waitedMs = 0; waitedMs < LINGER_MS && !settled;) {
      const stepMs = 50;
      await new Promise((resolve) => setTimeout(resolve, stepMs));
      // Only time in which the reader takes what comes is counted.
      if (!paused || reader.destroyed) waitedMs += stepMs;
    }
  };
  await Promise.race([ended, lingered()]);
  settled = true;
  for (const source of sources) source.destroy();
}
