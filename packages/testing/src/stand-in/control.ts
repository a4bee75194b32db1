import { z } from 'zod';
import type { Answer, Behaviour, ModelRequest } from './provider.ts';
import type { TokenLedger } from './token-ledger.ts';

/** A provider as the control sees it. */
export interface Controlled {
  name: string;
  behaviour: Behaviour;
  ledger: TokenLedger;
}

/** null takes a planned failure or an expected key away. */
const changeSchema = z.strictObject({
  reply: z.string().optional(),
  delayMs: z.int().min(0).max(600_000).optional(),
  expectKey: z.string().min(1).nullish(),
  failStatus: z.int().min(400).max(599).nullish(),
  accessTokenSeconds: z.int().min(-86_400).max(31_536_000).optional(),
});

export const CONTROL_PREFIX = '/__stand-in/';
const PATH = /^\/__stand-in\/(?:([a-z]+)\/)?([a-z-]+)$/;

/**
 * `POST /__stand-in/[PROVIDER/]behaviour` with changes, `…/expire-access-tokens`, `…/revoke`, `…/reject-next-code`;
 * `GET /__stand-in/state` and `/__stand-in/requests`. Without a provider it is for all of them. null for another path.
 */
export function control(
  request: ModelRequest,
  all: readonly Controlled[],
  requests: readonly unknown[],
): Answer | null {
  if (!request.path.startsWith(CONTROL_PREFIX)) return null;
  const [, provider, action = ''] = PATH.exec(request.path) ?? [];
  const chosen = all.filter(({ name }) => provider === undefined || name === provider);
  if (chosen.length === 0) return json(404, { error: `no provider ${String(provider)}` });
  const asked = `${request.method} ${action}`;
  if (asked === 'GET requests') return json(200, requests);
  if (asked === 'GET state') return json(200, chosen.map(describe));
  const effect = effectOf(asked, request.body);
  if (effect === null) return json(404, { error: `no such control: ${request.method} ${request.path}` });
  if (typeof effect === 'string') return json(400, { error: effect });
  chosen.forEach(effect);
  return json(200, chosen.map(describe));
}

/** A string says what is wrong with the body. */
function effectOf(asked: string, body: unknown): ((one: Controlled) => void) | string | null {
  switch (asked) {
    case 'POST behaviour': {
      const change = changeSchema.safeParse(body);
      return change.success
        ? ({ behaviour }) => applyChange(behaviour, change.data)
        : z.prettifyError(change.error);
    }
    case 'POST expire-access-tokens':
      return ({ ledger }) => ledger.expireAccessTokens();
    case 'POST revoke':
      return ({ ledger }) => ledger.revokeAll();
    case 'POST reject-next-code':
      return ({ ledger }) => ledger.rejectNextCode();
    default:
      return null;
  }
}

function applyChange(behaviour: Behaviour, change: z.infer<typeof changeSchema>): void {
  const { expectKey, failStatus, reply, delayMs, accessTokenSeconds } = change;
  if (reply !== undefined) behaviour.reply = reply;
  if (delayMs !== undefined) behaviour.delayMs = delayMs;
  if (accessTokenSeconds !== undefined) behaviour.accessTokenSeconds = accessTokenSeconds;
  if (expectKey === null) delete behaviour.expectKey;
  else if (expectKey !== undefined) behaviour.expectKey = expectKey;
  if (failStatus === null) delete behaviour.failStatus;
  else if (failStatus !== undefined) behaviour.failStatus = failStatus;
}

function describe({ name, behaviour: { expectKey, ...behaviour }, ledger }: Controlled): object {
  return { name, behaviour: { ...behaviour, expectsKey: expectKey !== undefined }, tokens: ledger.counts() };
}

function json(status: number, body: unknown): Answer {
  return { type: 'json', status, body };
}
