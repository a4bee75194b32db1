import { CONSOLE_UNIT_PREFIX } from '@hearth/contract';
import { plainLine } from './plain-line.ts';

/** A line of a console, and when it was seen (epoch milliseconds); null: not known. */
export interface ConsoleLine {
  text: string;
  atMs: number | null;
}

/** What the console of one start tells of the guest. Hostile input: a guest may print anything. */
export interface ConsoleSigns {
  panic: ConsoleLine | null;
  /** The last one. */
  outOfMemory: ConsoleLine | null;
  emergency: ConsoleLine | null;
  initramfs: ConsoleLine | null;
  /** What the guest last said of the agent's unit. */
  agent: { state: 'started' | 'crashed' | 'stopped' | 'absent'; line: ConsoleLine } | null;
}

const PANIC = 'Kernel panic - not syncing';
const OUT_OF_MEMORY = /out of memory: killed process/i;
const EMERGENCY = /You are in emergency mode|Reached target .{0,40}Emergency Mode/;
const INITRAMFS = 'hearth-error: ';
/** As systemd's journal hands lines on to the console: `[   12.345678] hearth-agent[123]: …`. */
const FROM_JOURNAL = /^(?:\[[\d. ]{1,20}\] )?(?:[\w.-]{1,40}\[\d{1,8}\]: )?/;
const AGENT_UNIT = `${CONSOLE_UNIT_PREFIX}hearth-agent.service `;
/** The agent's own first words. */
const AGENT_STARTED = 'agent started';

/** Reads lines in order; later ones win, but for the first panic, whose followers are its consequences. */
export function readConsoleSigns(lines: readonly ConsoleLine[]): ConsoleSigns {
  const signs: ConsoleSigns = {
    ...{ panic: null, outOfMemory: null, emergency: null, initramfs: null, agent: null },
  };
  for (const { text, atMs } of lines) {
    const line = { text: plainLine(text), atMs };
    const words = line.text.replace(FROM_JOURNAL, '');
    if (line.text.includes(PANIC)) signs.panic ??= line;
    if (OUT_OF_MEMORY.test(line.text)) signs.outOfMemory = line;
    if (EMERGENCY.test(line.text)) signs.emergency = line;
    if (words.startsWith(INITRAMFS)) signs.initramfs = line;
    const state = agentState(words);
    if (state !== null) signs.agent = { state, line };
  }
  return signs;
}

type AgentState = NonNullable<ConsoleSigns['agent']>['state'];

function agentState(words: string): AgentState | null {
  if (words.includes(AGENT_STARTED)) return 'started';
  if (!words.startsWith(AGENT_UNIT)) return null;
  const rest = words.slice(AGENT_UNIT.length);
  if (/LoadState=(masked|not-found)/.test(rest)) return 'absent';
  if (rest.startsWith('ended success')) return 'stopped';
  return rest.startsWith('ended ') ? 'crashed' : null;
}
