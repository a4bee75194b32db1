import { HearthError, runSchema, type Failure, type RunEvent, type RunId } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Output } from '../terminal/output.ts';
import { renderProblem } from '../terminal/problem.ts';
import { makeEventDisplay } from './event-display.ts';
import { followRun } from './follow.ts';

/** Shows a run's events to its end. Gives the exit code for it; throws why it ended without one of its tool. */
export async function watchRun(
  api: Api,
  id: RunId,
  { after, signal, out }: { after: number; signal: AbortSignal; out: Output },
): Promise<number> {
  const display = makeEventDisplay(out);
  let last: RunEvent | undefined;
  for await (const event of followRun(api, id, after, signal)) {
    display.show(event);
    last = event;
  }
  if (last?.type === 'done') {
    const { failure } = await api.get(runSchema, `/api/runs/${id}`, { signal });
    if (failure !== null) out.note(renderProblem(failure, out.paint));
    if (last.state === 'cancelled') return exitCodes.interrupted;
    return last.state !== 'succeeded' && last.exitCode === 0 ? exitCodes.failure : last.exitCode;
  }
  if (last?.type === 'error') {
    if (last.state === 'cancelled') return exitCodes.interrupted;
    throw toError(last.failure);
  }
  // Its last event was known before.
  const { exitCode, failure } = await api.get(runSchema, `/api/runs/${id}`, { signal });
  if (failure !== null) throw toError(failure);
  return exitCode ?? exitCodes.failure;
}

const toError = ({ code, detail, hint }: Failure): HearthError => new HearthError(code, detail, { hint });
