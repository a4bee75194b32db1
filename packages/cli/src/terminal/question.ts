import { Secret } from '@hearth/contract';
import type { Output } from './output.ts';

/** A yes-or-no question to the person at the terminal; null where there is nobody to ask. */
export function askOnTerminal(out: Output): ((question: string) => Promise<boolean>) | null {
  if (!isAnybodyThere(out)) return null;
  return async (question) => {
    const { confirm } = await import('@clack/prompts');
    // A cancelled prompt answers with a symbol.
    return (await confirm({ message: question, initialValue: false })) === true;
  };
}

/** A question for a line; it answers null where it is cancelled, or the signal ends it. null where there is nobody to ask. */
export function askForText(
  out: Output,
): ((question: string, signal: AbortSignal) => Promise<string | null>) | null {
  if (!isAnybodyThere(out)) return null;
  return async (message, signal) => {
    const { isCancel, text } = await import('@clack/prompts');
    const answer = await text({ message, signal });
    // While it asks, Ctrl-C is a key like others.
    if (isCancel(answer) && !signal.aborted) process.kill(process.pid, 'SIGINT');
    return typeof answer === 'string' && answer.trim() !== '' ? answer.trim() : null;
  };
}

/** Asks for a secret, which is not shown; null where there is nobody to ask, or no answer. */
export async function askForSecret(out: Output, message: string): Promise<Secret | null> {
  if (!isAnybodyThere(out)) return null;
  const { password } = await import('@clack/prompts');
  const answer = await password({ message });
  return typeof answer === 'string' && answer.trim() !== '' ? new Secret(answer.trim()) : null;
}

const isAnybodyThere = (out: Output): boolean =>
  out.live && (process.stdin.isTTY as boolean | undefined) === true;
