export { startAgent, type AgentOptions, type RunningAgent } from './agent.ts';
export type { ControlListener, ControlTransport } from './control/transport.ts';
