import { GATEWAY_NAME, type GuestReport } from '@hearth/contract';
import { Resolver } from 'node:dns/promises';

export interface AskOptions {
  port?: number;
  timeoutMs?: number;
}

const DNS_PORT = 53;
const TIMEOUT_MS = 1500;
/** What Node calls an answer that is a refusal: who gives one can be reached. */
const ANSWERS = ['ENODATA', 'EFORMERR', 'ESERVFAIL', 'ENOTFOUND', 'ENOTIMP', 'EREFUSED', 'EBADRESP'];

/** Sends the gateway one DNS query over UDP: any answer shows that packets go there and back. Never rejects. */
export async function askGateway(
  gateway: string,
  { port = DNS_PORT, timeoutMs = TIMEOUT_MS }: AskOptions = {},
): Promise<NonNullable<GuestReport['gateway']>> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  try {
    resolver.setServers([`${gateway}:${port}`]);
    const answer = await resolver.resolve4(GATEWAY_NAME);
    return { ok: true, detail: `${gateway} answered: ${answer.join(', ')}` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (ANSWERS.includes(code)) return { ok: true, detail: `${gateway} answered: ${code}` };
    return code === 'ETIMEOUT'
      ? { ok: false, detail: `${gateway} gave no answer within ${timeoutMs} ms` }
      : { ok: false, detail: `${gateway} can't be asked: ${code}` };
  }
}
