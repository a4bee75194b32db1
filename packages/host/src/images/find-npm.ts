import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { isMissing } from './missing-file.ts';

/** The first npm in the folders of PATH. */
export async function findNpm(path: readonly string[]): Promise<string> {
  for (const folder of path) {
    const candidate = join(folder, 'npm');
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  throw new HearthError('requirement_missing', 'an image build needs npm', {
    hint: 'Run: apt-get install npm',
  });
}
