import { mkdir, open, rm } from 'node:fs/promises';
import { HearthError, type Config } from '@hearth/contract';
import { identifyProcess, livingProcess } from './process-identity.ts';

/** Keeps a second `up` or `down` of the same Hearth out while one is at work. Returns how to let go. */
export async function takeUpLock({ runDir, name }: Config): Promise<() => Promise<void>> {
  await mkdir(runDir, { recursive: true, mode: 0o755 });
  const path = `${runDir}/up.pid`;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(JSON.stringify(await identifyProcess(process.pid)));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await livingProcess(path);
    if (holder !== null)
      throw new HearthError(
        'already_running',
        `another \`hearth up\` or \`hearth down\` of '${name}' is at work (process ${holder.pid})`,
        {
          hint: 'Wait until it has ended.',
        },
      );
    // Left by one that was killed.
    await rm(path, { force: true });
  }
  throw new HearthError('already_running', `another \`hearth up\` of '${name}' began at the same time`, {
    hint: 'Wait until it has ended.',
  });
}
