import { asHearthError, type HearthError } from '@hearth/contract';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { upload } from './upload.ts';

export interface Upload {
  id: number;
  name: string;
  bytes: number;
  sentBytes: number;
  state: 'waiting' | 'sending' | 'done' | 'failed';
  /** The name that it got there; another one where there was such a file already. */
  savedAs: string | null;
  error: HearthError | null;
}

/** Browsers allow six connections to one server, and the page needs some itself. */
const AT_ONCE = 2;

export interface Uploads {
  uploads: readonly Upload[];
  add: (files: Iterable<File>) => void;
  stop: (id: number) => void;
  clear: () => void;
}

/** Sends files one after the other, a few at once; goes on while no panel shows it. */
export function useUploads(vmId: string): Uploads {
  const queries = useQueryClient();
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const queue = useRef<{ id: number; file: File; stop: AbortController }[]>([]);
  const under = useRef(new Map<number, AbortController>());
  const lastId = useRef(0);
  const change = useCallback(
    (id: number, changes: Partial<Upload>) =>
      setUploads((all) => all.map((one) => (one.id === id ? { ...one, ...changes } : one))),
    [],
  );
  const next = useCallback((): void => {
    if (under.current.size >= AT_ONCE) return;
    const job = queue.current.shift();
    if (job === undefined) return;
    const { id, file, stop } = job;
    under.current.set(id, stop);
    change(id, { state: 'sending' });
    upload(vmId, file, (sentBytes) => change(id, { sentBytes }), stop.signal)
      .then(
        ({ name, bytes }) => change(id, { state: 'done', sentBytes: bytes, savedAs: name }),
        (error: unknown) => change(id, { state: 'failed', error: asHearthError(error) }),
      )
      .finally(() => {
        under.current.delete(id);
        void queries.invalidateQueries({ queryKey: ['downloads', vmId] });
        next();
      });
    next();
  }, [vmId, change, queries]);
  useEffect(() => {
    const running = under.current;
    return () => {
      queue.current = [];
      for (const stop of running.values()) stop.abort();
    };
  }, []);
  return {
    uploads,
    add: (files) => {
      for (const file of files) {
        const id = (lastId.current += 1);
        queue.current.push({ id, file, stop: new AbortController() });
        const { name, size: bytes } = file;
        setUploads((all) => [
          ...all,
          { id, name, bytes, sentBytes: 0, state: 'waiting', savedAs: null, error: null },
        ]);
      }
      next();
    },
    stop: (id) => {
      under.current.get(id)?.abort();
      if (!queue.current.some((job) => job.id === id)) return;
      queue.current = queue.current.filter((job) => job.id !== id);
      setUploads((all) => all.filter((one) => one.id !== id));
    },
    clear: () => setUploads((all) => all.filter(({ state }) => state === 'waiting' || state === 'sending')),
  };
}
