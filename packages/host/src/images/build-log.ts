import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface BuildLog {
  write(line: string): void;
  close(): Promise<void>;
}

/**
 * What the programs of a build say, in a file. Where that can't be written (a full disk) the build goes on without: the step
 * that needs room fails by itself and says so.
 */
export function openBuildLog(path: string, onFault: (error: Error) => void): BuildLog {
  const stream = createWriteStream(path, { flags: 'a' });
  stream.once('error', onFault);
  return {
    write: (line) => {
      if (!stream.destroyed) stream.write(`${line}\n`);
    },
    close: async () => {
      if (!stream.destroyed) stream.end();
      // Its failure was told by onFault.
      await finished(stream).catch(() => undefined);
    },
  };
}
