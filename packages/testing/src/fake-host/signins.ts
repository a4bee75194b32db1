import {
  encodeLine,
  guestSigninOrderSchema,
  HearthError,
  openUrlSchema,
  parseWith,
  pasteCodeSchema,
  type GuestSignin,
  type VmId,
} from '@hearth/contract';
import type { ServerResponse } from 'node:http';

export interface SigninCall {
  vmId: VmId;
  method: string;
  /** Path behind the VM's id: `signin`, `signin/events`, … */
  rest: string;
  body: () => Promise<unknown>;
  response: ServerResponse;
}

/** The logins that the guests' agents run; what happens in them is told by the test. */
export interface FakeSignins {
  /** Of a VM, as its agent says; undefined: none was begun, or the agent restarted. */
  of(vmId: VmId): GuestSignin | undefined;
  /** The login goes on. */
  change(vmId: VmId, patch: Partial<GuestSignin>): void;
  /** The agent begins anew and knows nothing. */
  restartAgent(vmId: VmId): void;
  /** Every call is refused with this; null: none is. */
  refuse: HearthError | null;
  /** Codes that were pasted, links that were opened, and logins that were begun, in their order. */
  readonly codes: string[];
  readonly opened: string[];
  readonly begun: { vmId: VmId; order: ReturnType<typeof guestSigninOrderSchema.parse> }[];
  answer(call: SigninCall): Promise<void>;
  stop(): void;
}

export function createSignins(): FakeSignins {
  const logins = new Map<VmId, GuestSignin>();
  const streams = new Map<VmId, Set<ServerResponse>>();
  const streamsOf = (vmId: VmId): Set<ServerResponse> => {
    const open = streams.get(vmId) ?? new Set<ServerResponse>();
    streams.set(vmId, open);
    return open;
  };
  const find = (vmId: VmId): GuestSignin => {
    const login = logins.get(vmId);
    if (login === undefined) throw new HearthError('not_found', 'no sign-in is under way', { vmId });
    return login;
  };
  const tell = (vmId: VmId): void => {
    for (const response of streamsOf(vmId)) response.write(encodeLine(find(vmId)));
  };
  const sendJson = (response: ServerResponse, body: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };

  const signins: FakeSignins = {
    refuse: null,
    codes: [],
    opened: [],
    begun: [],
    of: (vmId) => logins.get(vmId),
    change: (vmId, patch) => {
      logins.set(vmId, { ...find(vmId), ...patch });
      tell(vmId);
    },
    restartAgent: (vmId) => {
      logins.delete(vmId);
      for (const response of streamsOf(vmId)) response.destroy();
    },
    stop: () => {
      for (const open of streams.values()) for (const response of open) response.destroy();
    },
    answer: async ({ vmId, method, rest, body, response }) => {
      if (signins.refuse !== null) throw signins.refuse;
      switch (`${method} ${rest}`) {
        case 'PUT signin': {
          const order = parseWith(guestSigninOrderSchema, await body(), 'bad_request', 'order');
          const known = logins.get(vmId);
          if (known !== undefined && known.sessionId !== order.sessionId)
            throw new HearthError('conflict', `${known.sessionId} is under way`, { vmId });
          if (known === undefined) {
            const { sessionId, provider, method: by } = order;
            signins.begun.push({ vmId, order });
            logins.set(vmId, {
              ...{ sessionId, provider, method: by, phase: 'starting', oauthUrl: null, userCode: null },
              ...{ wantsCode: false, codeRefused: null, words: '', account: null, failure: null },
            });
          }
          sendJson(response, find(vmId));
          return;
        }
        case 'GET signin':
          sendJson(response, find(vmId));
          return;
        case 'GET signin/events':
          response.writeHead(200, { 'content-type': 'application/x-ndjson' });
          response.write(encodeLine(find(vmId)));
          streamsOf(vmId).add(response);
          response.on('close', () => streamsOf(vmId).delete(response));
          return;
        case 'POST signin/code':
          signins.codes.push(parseWith(pasteCodeSchema, await body(), 'bad_request', 'body').code);
          sendJson(response, find(vmId));
          return;
        case 'POST signin/open-url':
          signins.opened.push(parseWith(openUrlSchema, await body(), 'bad_request', 'body').url ?? '');
          sendJson(response, find(vmId));
          return;
        default:
          throw new HearthError('method_not_allowed', `${method} ${rest}`);
      }
    },
  };
  return signins;
}
