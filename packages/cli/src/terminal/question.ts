import type { Output } from './output.ts';

/** A yes-or-no question to the person at the terminal; null where there is nobody to ask. */
export function askOnTerminal(out: Output): ((question: string) => Promise<boolean>) | null {
  if (!out.live || (process.stdin.isTTY as boolean | undefined) !== true) return null;
  return async (question) => {
    const { confirm } = await import('@clack/prompts');
    // A cancelled prompt answers with a symbol.
    return (await confirm({ message: question, initialValue: false })) === true;
  };
}
