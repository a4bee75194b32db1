import type { ProviderId, Run } from '@hearth/contract';

export type Conversation = Pick<Run, 'prompt' | 'createdAt'> & { sessionId: string };

/** Conversations of a provider that can go on, newest first, each with its latest prompt. */
export function conversations(runs: readonly Run[], provider: ProviderId): Conversation[] {
  const seen = new Map<string, Conversation>();
  for (const { provider: of, sessionId, prompt, createdAt } of runs)
    if (of === provider && sessionId !== null && !seen.has(sessionId))
      seen.set(sessionId, { sessionId, prompt, createdAt });
  return [...seen.values()];
}
