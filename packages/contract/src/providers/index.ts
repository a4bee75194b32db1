import { claudeCode } from './claude-code.ts';
import type { Provider } from './provider.ts';
import type { ProviderId } from './provider-id.ts';

export const providers = { claude_code: claudeCode } as Record<ProviderId, Provider>;
export { isAllowedUrl } from './allowed-url.ts';
export * from './provider.ts';
export * from './provider-id.ts';
