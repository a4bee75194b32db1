import { claudeCode } from './claude-code.ts';
import type { Provider, ProviderId } from './provider.ts';

export const providers: Record<ProviderId, Provider> = { claude_code: claudeCode };
export { providerIds, type Provider, type ProviderId, type RunEvent } from './provider.ts';
