import { z } from 'zod';

/** Every provider that Hearth knows. A new one: its id here, its descriptor beside this file, a recorded fixture. */
export const providerIds = ['claude_code', 'codex', 'gemini_cli', 'opencode'] as const;
export const providerIdSchema = z.enum(providerIds);
export type ProviderId = (typeof providerIds)[number];
