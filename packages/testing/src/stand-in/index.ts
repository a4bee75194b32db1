export { serverCertificate } from './certificates.ts';
export {
  standInHosts,
  startStandIn,
  type RequestRecord,
  type StandIn,
  type StandInOptions,
} from './server.ts';
