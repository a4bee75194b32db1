import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '@hearth/testing';

/**
 * `node prove/sequences.ts [--short] [--only host,controller] [--json]`: random sequences of calls and deaths, on fakes; the unit tests
 * with more runs. A failure prints its seed and the shortest sequence.
 */
const files: Readonly<Record<string, string>> = {
  host: 'packages/host/src/vms/sequences.test.ts',
  controller: 'packages/controller/src/sequences.test.ts',
};
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(files).join() },
    json: { type: 'boolean', default: false },
  },
});
const wanted = options.only.split(',');
const unknown = wanted.filter((name) => !(name in files));
if (unknown.length > 0) {
  process.stderr.write(`--only: ${unknown.join(', ')}: known are ${Object.keys(files).join(', ')}\n`);
  process.exit(2);
}
const child = spawn(
  process.execPath,
  [
    ...[
      join(repository, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      'unit',
      '--testTimeout=3600000',
    ],
    ...(options.json ? ['--reporter=json'] : ['--reporter=verbose']),
    ...wanted.map((name) => files[name] ?? name),
  ],
  {
    cwd: repository,
    stdio: 'inherit',
    env: { ...process.env, PROVE_RUNS: options.short ? '100' : '2000' },
  },
);
const [code] = (await once(child, 'exit')) as [number | null];
process.exitCode = code ?? 1;
