import {
  asHearthError,
  guestSigninSchema,
  HearthError,
  parseWith,
  readEvents,
  startProgress,
  withAbort,
  type GuestSignin,
  type GuestSigninOrder,
  type VmId,
} from '@hearth/contract';
import { json } from 'node:stream/consumers';
import type { ByteCall, CallOptions, HostLink } from '../host-link/host-link.ts';

const CALL_TIMEOUT_MS = 20_000;
/** The agent says something every 5 s; a longer silence means that it is gone. */
const SILENCE_MS = 20_000;

/** The tool's login in a VM, as its agent runs it. */
export interface GuestLogin {
  /** Begins it; the same one again gives its state. */
  begin(vmId: VmId, order: GuestSigninOrder, options: CallOptions): Promise<GuestSignin>;
  /** Its state, at once and at every change. Throws deadline_exceeded where the agent falls silent. */
  follow(vmId: VmId, options: CallOptions): AsyncGenerator<GuestSignin>;
  typeCode(vmId: VmId, code: string, options: CallOptions): Promise<void>;
  openUrl(vmId: VmId, url: string, options: CallOptions): Promise<void>;
}

export function createGuestLogin(host: HostLink): GuestLogin {
  const call = async (what: ByteCall, { signal, requestId }: CallOptions): Promise<unknown> => {
    const progress = startProgress({
      what: `${what.method} ${what.path} in ${what.vmId}`,
      timeoutMs: CALL_TIMEOUT_MS,
      signal,
    });
    const { body, status } = await host.pass(what, {
      signal: progress.signal,
      ...(requestId === undefined ? {} : { requestId }),
    });
    if (status === 204) {
      body.resume();
      return null;
    }
    return withAbort(json(body), progress.signal).catch((error: unknown) => {
      throw asBrokenOff(error, what.vmId);
    });
  };
  const post = async (vmId: VmId, path: string, body: object, options: CallOptions): Promise<void> => {
    await call({ method: 'POST', vmId, path, body: JSON.stringify(body) }, options);
  };

  return {
    begin: async (vmId, order, options) =>
      parseWith(
        guestSigninSchema,
        await call({ method: 'PUT', vmId, path: 'signin', body: JSON.stringify(order) }, options),
        'internal',
        'answer of the agent to PUT signin',
      ),
    follow: async function* (vmId, options) {
      const { body } = await host.pass({ method: 'GET', vmId, path: 'signin/events' }, options);
      const silence = setTimeout(() => {
        body.destroy(new HearthError('deadline_exceeded', `the agent of ${vmId} fell silent`, { vmId }));
      }, SILENCE_MS);
      try {
        for await (const guest of readEvents(body, guestSigninSchema)) {
          silence.refresh();
          yield guest;
        }
      } catch (error) {
        throw asBrokenOff(error, vmId);
      } finally {
        clearTimeout(silence);
        body.destroy();
      }
    },
    typeCode: (vmId, code, options) => post(vmId, 'signin/code', { code }, options),
    openUrl: (vmId, url, options) => post(vmId, 'signin/open-url', { url }, options),
  };
}

/** An answer that ends in the middle, of a line too, is the end of a connection and no fault of the sign-in. */
function asBrokenOff(error: unknown, vmId: VmId): HearthError {
  if (error instanceof HearthError && error.code !== 'bad_request') return error;
  const { message } = asHearthError(error);
  return new HearthError('agent_unreachable', `the answer of the agent of ${vmId} broke off: ${message}`, {
    cause: error,
    vmId,
  });
}
