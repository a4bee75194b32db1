export { startFakeHost, type FakeHost } from './fake-host.ts';
export type { FakeHostScript, Machines } from './machines.ts';
export type { Executions } from './executions.ts';
export { fakePixel, type FakeDisplay, type FakeDisplays, type FakeDisplayScript } from './displays.ts';
export { playEcho, type FakeRun, type FakeRuns } from './runs.ts';
export type { FakeSignins } from './signins.ts';
export type { FakeTerminal, FakeTerminals } from './terminals.ts';
export type { FakeUpkeep } from './upkeep.ts';
