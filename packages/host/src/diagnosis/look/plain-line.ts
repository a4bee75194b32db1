const MAX_LINE = 200;

/** What a guest wrote, fit for a report: one short line without escape sequences and control characters. */
export const plainLine = (text: string): string =>
  text
    .replace(/\u001b(\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])/g, '')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, MAX_LINE);
