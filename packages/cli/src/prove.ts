import { HearthError } from '@hearth/contract';
import { Exit } from './exit-codes.ts';
import { run } from './exec/run.ts';
import { nodeArgs, repository } from './setup/places.ts';

/** The long form kills both daemons at each of hundreds of writes. */
const PROOF_TIMEOUT_MS = 12 * 3600_000;
const proofs = ['crash', 'leaks', 'sequences'];

export interface ProveOptions {
  short?: boolean;
  only?: string;
  json?: boolean;
}

/** Runs a proof of the folder prove/ and ends with its exit code. Throws bad_request for an unknown one. */
export async function runProof(name: string, { short, only, json }: ProveOptions): Promise<void> {
  if (!proofs.includes(name))
    throw new HearthError('bad_request', `there is no proof "${name}"`, {
      hint: `Known: ${proofs.join(', ')}.`,
    });
  const args = [
    ...nodeArgs,
    `${repository}prove/${name}.ts`,
    ...(short === true ? ['--short'] : []),
    ...(only === undefined ? [] : ['--only', only]),
    ...(json === true ? ['--json'] : []),
  ];
  const { exitCode } = await run(process.execPath, args, {
    inherit: true,
    timeoutMs: PROOF_TIMEOUT_MS,
    cwd: repository,
  });
  if (exitCode !== 0) throw new Exit(exitCode);
}
