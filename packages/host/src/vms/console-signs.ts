import { CONSOLE_PHASE_PREFIX, type BootPhase, type ErrorCode } from '@hearth/contract';

/** What a line of the serial console tells about the guest; null for the rest. Hostile input: only ever read. */
export type ConsoleSign =
  { type: 'phase'; phase: BootPhase } | { type: 'fault'; code: ErrorCode; detail: string };

const ERROR_PREFIX = 'hearth-error: ';

export function readConsoleLine(line: string): ConsoleSign | null {
  const text = line.replace(/\r$/, '');
  if (text.startsWith(`${CONSOLE_PHASE_PREFIX}init`) && !text.startsWith(`${CONSOLE_PHASE_PREFIX}initramfs`))
    return { type: 'phase', phase: 'init' };
  if (text.includes('Kernel panic - not syncing'))
    return { type: 'fault', code: 'kernel_panic', detail: text.trim().slice(0, 300) };
  if (text.startsWith(ERROR_PREFIX))
    return {
      type: 'fault',
      code: 'guest_not_ready',
      detail: `the guest's initramfs: ${text.slice(ERROR_PREFIX.length, 300)}`,
    };
  return null;
}
