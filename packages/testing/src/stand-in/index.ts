export { startStandIn, type RequestRecord, type StandIn, type StandInOptions } from './server.ts';
