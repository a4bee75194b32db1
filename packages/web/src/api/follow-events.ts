import { asHearthError, errorTable, HearthError, parseWith } from '@hearth/contract';
import type { z } from 'zod';
import { backoffMs } from './backoff.ts';
import { makeEventParser } from './event-stream.ts';
import { setReachable } from './reachability.ts';
import { send } from './request.ts';
import { pauseUnlessWoken, untilVisible } from './waiting.ts';

/** The server beats every 15 s: a stream that is silent for so long is dead. */
const SILENCE_MS = 45_000;
/** Browsers allow six connections to one server over all tabs: one that nobody looks at lets go of its streams. */
const HIDDEN_MS = 30_000;

export interface Following<T extends z.ZodType> {
  /** Asked anew for each stream, where it tells from where on. */
  path: string | (() => string);
  schema: T;
  /** A new stream begins; what was told before comes again. */
  onOpen?: () => void;
  /** @returns true where nothing more will come */
  onEvent: (event: z.infer<T>) => boolean | undefined;
  /** The stream can't be had, now or later. */
  onRefused: (error: HearthError) => void;
  signal: AbortSignal;
}

/** Follows server-sent events for as long as the signal lasts; connects again by itself. Never rejects. */
export async function followEvents<T extends z.ZodType>(following: Following<T>): Promise<void> {
  const { signal, onRefused } = following;
  const over = (): boolean => signal.aborted;
  let failures = 0;
  while (!over()) {
    await untilVisible(signal);
    try {
      const ending = await readOnce(following, () => (failures = 0));
      if (ending === 'complete') return;
      if (ending === 'hidden') continue;
    } catch (error) {
      if (over()) return;
      const known = asHearthError(error, 'controller_unreachable');
      if (known.code === 'controller_unreachable') setReachable(false);
      else if (!errorTable[known.code].retryable) {
        onRefused(known);
        return;
      }
    }
    failures += 1;
    await pauseUnlessWoken(backoffMs(failures, Math.random()), signal);
  }
}

async function readOnce<T extends z.ZodType>(
  { path, schema, onOpen, onEvent, signal }: Following<T>,
  onAlive: () => void,
): Promise<'complete' | 'broken' | 'hidden'> {
  const attempt = new AbortController();
  const own = AbortSignal.any([signal, attempt.signal]);
  const dead = new HearthError('controller_unreachable', 'the stream fell silent');
  let silence = setTimeout(() => attempt.abort(dead), SILENCE_MS);
  let hiding: ReturnType<typeof setTimeout> | undefined;
  const seen = { hidden: false, complete: false };
  const watch = (): void => {
    clearTimeout(hiding);
    if (document.visibilityState === 'visible') return;
    hiding = setTimeout(() => {
      seen.hidden = true;
      attempt.abort();
    }, HIDDEN_MS);
  };
  document.addEventListener('visibilitychange', watch);
  try {
    const { body } = await send('GET', typeof path === 'string' ? path : path(), {
      signal: own,
      headers: { accept: 'text/event-stream' },
    });
    if (body === null) throw new HearthError('internal', 'the stream has no body');
    onOpen?.();
    const take = makeEventParser(({ data }) => {
      onAlive();
      if (onEvent(parseWith(schema, parseJson(data), 'internal', 'event')) === true) seen.complete = true;
    });
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(silence);
      silence = setTimeout(() => attempt.abort(dead), SILENCE_MS);
      setReachable(true);
      take(chunk);
      if (seen.complete) return 'complete';
    }
    return 'broken';
  } catch (error) {
    if (seen.hidden) return 'hidden';
    throw attempt.signal.aborted ? dead : error;
  } finally {
    clearTimeout(silence);
    clearTimeout(hiding);
    document.removeEventListener('visibilitychange', watch);
    attempt.abort();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError('internal', 'an event is not JSON', { cause });
  }
}
