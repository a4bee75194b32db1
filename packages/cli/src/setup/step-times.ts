import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { StepTimes } from './steps.ts';

const timesSchema = z.record(z.string(), z.number().nonnegative());

/** Keeps the times in a file; one that is missing or broken only costs the estimate. */
export async function openStepTimes(path: string): Promise<StepTimes & { save(): Promise<void> }> {
  const times = await readTimes(path);
  return {
    expectedMs: (step) => times[step],
    took: (step, elapsedMs) => {
      times[step] = Math.round(elapsedMs);
    },
    save: () => writeFile(path, JSON.stringify(times)),
  };
}

async function readTimes(path: string): Promise<Record<string, number>> {
  try {
    const parsed = timesSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : {};
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
