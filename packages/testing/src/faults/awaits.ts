import type { AgentAnswer } from './agent-answer.ts';
import type { Fault } from './fault.ts';

/** What several faults wait for. */

/** The agent does this for somebody who dials it. */
export const agentThat =
  (wanted: AgentAnswer): Fault['awaits'] =>
  async (room) => {
    const answer = await room.agent();
    return answer === wanted ? null : `its agent ${answer}`;
  };

/** It was given up; one whose disk is kept is hibernated then. */
export const vmGivenUp: Fault['awaits'] = async (room) => {
  const state = await room.state();
  return state === 'failed' || state === 'hibernated' ? null : `the VM is ${state}`;
};

export const consoleThat =
  (says: RegExp): Fault['awaits'] =>
  async (room) => {
    const text = await room.console();
    return says.test(text) ? null : `its console ends with ${JSON.stringify(text.slice(-200))}`;
  };
