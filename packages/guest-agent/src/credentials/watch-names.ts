import type { Log } from '@hearth/contract';
import { watch, type FSWatcher } from 'node:fs';
import { describeError } from '../log.ts';

export interface WatchedFolder {
  folder: string;
  /** Of entries of the folder; all where left out. */
  names?: readonly string[];
}

/** Calls once a burst of changes to these names is over. @returns what ends it */
export function watchNames(
  folders: readonly WatchedFolder[],
  quietMs: number,
  onChange: () => void,
  log: Log,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const touched = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onChange, quietMs);
  };
  const watchers: FSWatcher[] = folders.map(({ folder, names }) => {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (names === undefined || name === null || names.includes(name)) touched();
    });
    watcher.on('error', (error) => {
      log('watching a credential’s folder failed', { folder, error: describeError(error) });
    });
    return watcher;
  });
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
