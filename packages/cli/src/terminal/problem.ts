import { inspect } from 'node:util';
import { asHearthError, toProblem, type Failure, type Problem } from '@hearth/contract';
import { readEnvironment } from '../config.ts';
import { exitCodes } from '../exit-codes.ts';
import { makeOutput, type Paint } from './output.ts';

/** Three short lines: what happened, where, what to do. */
export function renderProblem(problem: Problem | Failure, paint: Paint): string {
  const subject =
    'requestId' in problem && problem.requestId !== undefined ? ` · request ${problem.requestId}` : '';
  return [
    `${paint.bad('error:')} ${problem.title}: ${problem.detail}`,
    `  ${paint.dim('where:')} ${problem.layer}${subject}`,
    `  ${paint.dim('what to do:')} ${problem.hint}`,
  ].join('\n');
}

/** The chain of causes, for --verbose. */
export function renderCauses(error: unknown): string[] {
  const lines: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause !== undefined && lines.length < 10) {
    lines.push(`  caused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

export interface ReportOptions {
  json: boolean;
  verbose: boolean;
}

/** Says what went wrong and returns the exit code for it. */
export function reportError(error: unknown, { json, verbose }: ReportOptions): number {
  const known = asHearthError(error);
  const problem: Problem = {
    ...toProblem(known),
    ...(known === error
      ? {}
      : { hint: 'This is a fault of this command: --verbose shows where. Please report it.' }),
  };
  const out = makeOutput({ json, noColor: readEnvironment().noColor });
  if (json) out.raw(`${JSON.stringify(problem)}\n`);
  else out.raw(`${renderProblem(problem, out.paint)}\n`);
  if (verbose) {
    const own = known === error ? (known.stack ?? '') : '';
    out.raw(`${[own, ...renderCauses(known)].filter((text) => text !== '').join('\n')}\n`);
  }
  if (known.code === 'controller_unreachable') return exitCodes.notRunning;
  if (known.code === 'aborted') return exitCodes.interrupted;
  return exitCodes.failure;
}
