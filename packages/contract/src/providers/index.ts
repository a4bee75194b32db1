import { claudeCode } from './claude-code.ts';
import { opencode } from './opencode.ts';
import type { Provider } from './provider.ts';
import type { ProviderId } from './provider-id.ts';

export const providers = { claude_code: claudeCode, opencode } as Record<ProviderId, Provider>;
export { isAllowedUrl } from './allowed-url.ts';
export * from './provider.ts';
export * from './provider-id.ts';
