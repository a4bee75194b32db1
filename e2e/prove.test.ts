import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from '@hearth/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';

const runFile = promisify(execFile);
const TIMEOUT_MS = 900_000;

/** What a proof printed as JSON; its exit code is part of what is proven. */
async function prove(...words: string[]): Promise<unknown> {
  const { stdout } = await runFile(join(repository, 'hearth'), ['prove', ...words, '--short', '--json'], {
    timeout: TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as unknown;
}

const crashSchema = z.object({
  survived: z.number(),
  results: z.array(
    z.object({
      kill: z.string(),
      killed: z.boolean(),
      lies: z.array(z.string()),
      leaks: z.record(z.string(), z.number()),
    }),
  ),
});

test(
  'F19, F21: a sample of deaths in create, sign-in, run and delete is survived',
  { timeout: TIMEOUT_MS },
  async () => {
    const { results } = crashSchema.parse(await prove('crash'));
    expect(results.filter(({ lies, leaks }) => lies.length > 0 || Object.keys(leaks).length > 0)).toEqual([]);
    expect(results.filter(({ killed }) => !killed)).toEqual([]);
  },
);

test(
  'F18, F19: cycles of creation and removal leave every count where it was',
  { timeout: TIMEOUT_MS },
  async () => {
    const { results } = z
      .object({ results: z.array(z.object({ name: z.string(), ok: z.boolean() }).loose()) })
      .parse(await prove('leaks'));
    expect(results.length).toBeGreaterThan(20);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  },
);
