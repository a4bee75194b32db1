import type { Login, LoginSign } from './provider.ts';

/** The link is a word of its own; the tool prints it twice, once as the target of a terminal link. */
const LINK = /https:\/\/(?:claude\.ai|claude\.com|platform\.claude\.com)\/[^\s\u0007]+/;
const PROMPT = /Paste code here if prompted >/;
const INCOMPLETE = /That doesn't look like the full code\.[^\n]*/;
const REFUSED = /Couldn't log in: (That code wasn't accepted\.[^\n]*)/;
const FAILED = /(?:Couldn't log in|Login failed|Error): [^\n]*/;

function readOutput(text: string): LoginSign[] {
  const signs: LoginSign[] = [];
  const url = LINK.exec(text)?.[0];
  if (url !== undefined) signs.push({ type: 'url', url });
  const refused = REFUSED.exec(text)?.[1];
  const failed = FAILED.exec(text)?.[0];
  if (refused !== undefined) signs.push({ type: 'code_refused', words: refused.trim() });
  else if (failed !== undefined) signs.push({ type: 'failed', words: failed.trim() });
  else {
    const incomplete = INCOMPLETE.exec(text)?.[0];
    // It asks again by itself then.
    if (incomplete !== undefined) signs.push({ type: 'code_refused', words: incomplete.trim() });
    if (PROMPT.test(text)) signs.push({ type: 'code_wanted' });
  }
  return signs;
}

const login = {
  command: ['claude', 'auth', 'login', '--claudeai'],
  // The short link that it prints otherwise says nothing about where it leads.
  env: { CLAUDE_CODE_FULL_SIGN_IN_LINK: '1', DISABLE_AUTOUPDATER: '1' },
  files: [],
  readOutput,
  restartAfterRefusal: true,
} as const;

export const claudeLogins = {
  /** `$BROWSER` gets a link that comes back to the tool's own port; the printed one shows a code, which the tool takes as well. */
  browser: { ...login, browser: 'desktop' },
  pasted_code: { ...login, browser: 'none' },
} satisfies Record<string, Login>;
