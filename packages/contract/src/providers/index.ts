import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { geminiCli } from './gemini-cli.ts';
import { opencode } from './opencode.ts';
import type { Provider } from './provider.ts';
import type { ProviderId } from './provider-id.ts';

export const providers: Readonly<Record<ProviderId, Provider>> = {
  claude_code: claudeCode,
  codex,
  gemini_cli: geminiCli,
  opencode,
};
export { isAllowedUrl } from './allowed-url.ts';
export * from './provider.ts';
export * from './provider-id.ts';
