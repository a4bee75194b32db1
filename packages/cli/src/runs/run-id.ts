import { HearthError, runIdSchema, type RunId } from '@hearth/contract';

/** Checks an id before it goes into a path. */
export function parseRunId(text: string): RunId {
  const parsed = runIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HearthError('bad_request', `"${text}" is not the id of a run: expected run- and 12 characters`, {
    hint: '`hearth runs ls` lists the ids.',
  });
}
