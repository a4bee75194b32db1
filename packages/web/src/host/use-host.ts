import {
  asHearthError,
  driftReportSchema,
  hostStateSchema,
  type DriftReport,
  type HearthError,
  type HostState,
} from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/request.ts';

/** Only while the page is looked at, so that it stays far below the limits of calls. */
const REFRESH_MS = 30_000;

export interface HostView {
  host: HostState | undefined;
  drift: DriftReport | undefined;
  error: HearthError | null;
}

/** The host and its drift, for an administrator. */
export function useHost(enabled: boolean): HostView {
  const host = useQuery({
    queryKey: ['host'],
    queryFn: ({ signal }) => call('GET', hostStateSchema, '/api/host', { signal }),
    refetchInterval: REFRESH_MS,
    enabled,
  });
  const drift = useQuery({
    queryKey: ['host', 'drift'],
    queryFn: ({ signal }) => call('GET', driftReportSchema, '/api/host/drift', { signal }),
    refetchInterval: REFRESH_MS,
    enabled,
  });
  const error = host.error ?? drift.error;
  return {
    host: host.data,
    drift: drift.data,
    error: error === null ? null : asHearthError(error),
  };
}
