import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Run } from '../exec/run.ts';
import { repository } from '../setup/places.ts';
import { plant, plantedViolations, type Planted } from './planted.ts';
import type { TestFailure } from './result.ts';

/** One check by a tool; null where it passed. */
export interface Check {
  name: string;
  check: (signal: AbortSignal) => Promise<TestFailure | null>;
}

const TOOL_TIMEOUT_MS = 15 * 60_000;
/** Runs a tool of node_modules with our own Node. */
const tool = (name: string): string => join(repository, 'node_modules/.bin', name);

function toolCheck(run: Run, program: string, args: readonly string[], name = program): Check {
  return {
    name,
    check: async (signal) => {
      const result = await run(process.execPath, [tool(program), ...args], {
        cwd: repository,
        timeoutMs: TOOL_TIMEOUT_MS,
        signal,
      });
      if (result.exitCode === 0) return null;
      const message = [result.stdout, result.stderr]
        .map((text) => text.trim())
        .filter((text) => text !== '')
        .join('\n');
      return { name, message: message || `exit code ${result.exitCode}` };
    },
  };
}

/** The pages have a browser's types and nothing of Node: they are a project of their own. */
export const typeChecks = (run: Run): Check[] => [
  toolCheck(run, 'tsc', ['--noEmit']),
  toolCheck(run, 'tsc', ['--noEmit', '--project', 'packages/web'], 'tsc packages/web'),
];

export const lintChecks = (run: Run): Check[] => [
  toolCheck(run, 'eslint', ['.', '--max-warnings', '0']),
  toolCheck(run, 'prettier', ['--check', '--log-level', 'warn', '.']),
  toolCheck(run, 'knip', ['--no-progress']),
];

/** The tree keeps its boundaries, all of it was read, and a planted violation of each rule is caught. */
export const boundaryChecks = (run: Run): Check[] => [
  toolCheck(run, 'depcruise', ['--config', '.dependency-cruiser.cjs', 'packages']),
  { name: 'depcruise reads every module', check: (signal) => everyModuleIsRead(run, signal) },
  ...plantedViolations.map((planted) => ({
    name: `planted violation of ${planted.rule} in ${Object.keys(planted.files)[0] ?? ''} is caught`,
    check: (signal: AbortSignal) => plantedIsCaught(run, planted, signal),
  })),
];

const cruiseSchema = z.object({
  modules: z.array(z.object({ source: z.string() })),
  summary: z.object({ violations: z.array(z.object({ rule: z.object({ name: z.string() }) })) }),
});

async function cruise(run: Run, cwd: string, signal: AbortSignal): Promise<z.infer<typeof cruiseSchema>> {
  const args = [
    tool('depcruise'),
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    'packages',
  ];
  const { stdout, stderr } = await run(process.execPath, args, { cwd, timeoutMs: TOOL_TIMEOUT_MS, signal });
  if (!stdout.trimStart().startsWith('{'))
    throw new Error(`dependency-cruiser printed no JSON: ${stderr.slice(-500)}`);
  return cruiseSchema.parse(JSON.parse(stdout));
}

async function everyModuleIsRead(run: Run, signal: AbortSignal): Promise<TestFailure | null> {
  const [{ modules }, files] = await Promise.all([
    cruise(run, repository, signal),
    readdir(join(repository, 'packages'), { recursive: true }),
  ]);
  const read = new Set(modules.map(({ source }) => source));
  const unread = files
    .filter((file) => /^[^/]+\/src\/.*\.tsx?$/.test(file) && !file.endsWith('.d.ts'))
    .map((file) => `packages/${file}`)
    .filter((file) => !read.has(file));
  return unread.length === 0
    ? null
    : {
        name: 'depcruise reads every module',
        message: `${unread.length} not read: ${unread.slice(0, 10).join(', ')}`,
      };
}

async function plantedIsCaught(run: Run, planted: Planted, signal: AbortSignal): Promise<TestFailure | null> {
  const { folder, remove } = await plant(repository, planted);
  try {
    const { summary } = await cruise(run, folder, signal);
    const caught = summary.violations.map(({ rule }) => rule.name);
    return caught.includes(planted.rule)
      ? null
      : {
          name: `planted violation of ${planted.rule}`,
          message: `was not caught; reported: ${caught.join(', ') || 'nothing'}`,
        };
  } finally {
    await remove();
  }
}
