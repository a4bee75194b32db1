import { asHearthError, errorTable, HearthError } from '@hearth/contract';
import { useEffect, useState } from 'react';
import { backoffMs } from '../api/backoff.ts';
import { send } from '../api/request.ts';
import { pauseUnlessWoken, untilVisible } from '../api/waiting.ts';
import { appendText, emptyConsole, type ConsoleText } from './console-text.ts';

export interface FollowedConsole {
  text: ConsoleText;
  /** following; ended: the VM is gone, this is all; refused: see `error`. */
  state: 'following' | 'ended' | 'refused';
  error: HearthError | null;
}

const begun: FollowedConsole = { text: emptyConsole, state: 'following', error: null };

/**
 * A VM's console from its first byte, live. Where the stream breaks off it is read again from the beginning.
 * @param live whether the VM still writes: the end of the stream is the end of the console then only if not
 */
export function useConsole(id: string, timestamps: boolean, live: boolean): FollowedConsole {
  const [console, setConsole] = useState(begun);
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const over = (): boolean => signal.aborted;
    const follow = async (): Promise<void> => {
      let failures = 0;
      setConsole(begun);
      while (!over()) {
        await untilVisible(signal);
        try {
          await readConsole(id, timestamps, signal, (text) => {
            failures = 0;
            if (!over()) setConsole({ text, state: 'following', error: null });
          });
          if (!live) {
            setConsole((last) => ({ ...last, state: 'ended' }));
            return;
          }
        } catch (error) {
          if (over()) return;
          const known = asHearthError(error, 'controller_unreachable');
          if (!errorTable[known.code].retryable) {
            setConsole((last) => ({ ...last, state: 'refused', error: known }));
            return;
          }
        }
        failures += 1;
        await pauseUnlessWoken(backoffMs(failures, Math.random()), signal);
      }
    };
    void follow();
    return () => leaving.abort();
  }, [id, timestamps, live]);
  return console;
}

async function readConsole(
  id: string,
  timestamps: boolean,
  signal: AbortSignal,
  onText: (text: ConsoleText) => void,
): Promise<void> {
  const path = `/api/vms/${encodeURIComponent(id)}/console?follow=true&timestamps=${String(timestamps)}`;
  const { body } = await send('GET', path, { signal });
  if (body === null) throw new HearthError('internal', 'the console has no body');
  let text = emptyConsole;
  let frame = 0;
  try {
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text = appendText(text, chunk);
      // A chatty boot comes in many pieces: one picture a frame is enough.
      if (frame === 0)
        frame = requestAnimationFrame(() => {
          frame = 0;
          onText(text);
        });
    }
  } finally {
    cancelAnimationFrame(frame);
    if (text !== emptyConsole) onText(text);
  }
}
