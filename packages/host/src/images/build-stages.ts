import { readFile } from 'node:fs/promises';
import type { ImageEvent } from '@hearth/contract';
import { z } from 'zod';
import { writeJson } from './image-store.ts';
import { isMissing } from './missing-file.ts';

const timingsSchema = z.record(z.string(), z.number());

/** Announces the stages of a build and remembers how long each took on this machine. */
export interface Stages {
  /** Runs a stage; throws before it starts where the build was ended. */
  run<T>(stage: string, work: () => Promise<T>): Promise<T>;
  elapsedMs(): number;
  /** Writes the times of what ran, for the next build's `expectedMs`. */
  save(): Promise<void>;
}

export async function startStages(
  path: string,
  signal: AbortSignal,
  emit: (event: ImageEvent) => void,
): Promise<Stages> {
  const startMs = performance.now();
  const expected = await readTimings(path);
  const measured: Record<string, number> = {};
  const elapsedMs = (): number => Math.round(performance.now() - startMs);
  return {
    elapsedMs,
    run: async (stage, work) => {
      signal.throwIfAborted();
      const expectedMs = expected[stage];
      emit({
        type: 'stage',
        stage,
        elapsedMs: elapsedMs(),
        ...(expectedMs === undefined ? {} : { expectedMs }),
      });
      const stageStartMs = performance.now();
      const result = await work();
      measured[stage] = Math.round(performance.now() - stageStartMs);
      return result;
    },
    save: async () => {
      await writeJson(path, { ...expected, ...measured });
    },
  };
}

/** A hint only: a file that isn't what it should be counts as none. */
async function readTimings(path: string): Promise<Record<string, number>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return {};
    throw error;
  }
  try {
    return timingsSchema.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
