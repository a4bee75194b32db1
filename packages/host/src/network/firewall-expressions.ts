/** JSON as libnftables takes it (libnftables-json(5)). */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Command = { [verb: string]: Json };

export const payload = (protocol: string, field: string): Json => ({ payload: { protocol, field } });
export const meta = (key: string): Json => ({ meta: { key } });
export const concat = (...parts: Json[]): Json => ({ concat: parts });
export const set = (...members: Json[]): Json => ({ set: members });
export const prefix = (cidr: string): Json => {
  const [addr = '', len = '32'] = cidr.split('/');
  return { prefix: { addr, len: Number(len) } };
};

export const match = (left: Json, right: Json, op: '==' | '!=' | 'in' = '=='): Json => ({
  match: { op, left, right },
});
export const accept: Json = { accept: null };
const drop: Json = { drop: null };
/** A guest that is told so at once needn't wait for its own time-out. */
export const reject: Json = { reject: { type: 'icmp', expr: 'admin-prohibited' } };
export const masquerade: Json = { masquerade: null };

export const iif = (name: string): Json => match(meta('iifname'), name);
export const oif = (name: string): Json => match(meta('oifname'), name);
export const to = (ip: Json): Json => match(payload('ip', 'daddr'), ip);
export const from = (ip: Json): Json => match(payload('ip', 'saddr'), ip);
export const toPort = (protocol: 'tcp' | 'udp', port: number): Json =>
  match(payload(protocol, 'dport'), port);
export const fromPort = (protocol: 'tcp' | 'udp', port: number): Json =>
  match(payload(protocol, 'sport'), port);
export const echoRequest: Json = match(payload('icmp', 'type'), 'echo-request');

/** Answers pass, what belongs to no connection doesn't; only new ones go on to the rules. */
export const byConnectionState: Json = {
  vmap: {
    key: { ct: { key: 'state' } },
    data: {
      set: [
        ['invalid', drop],
        ['established', accept],
        ['related', accept],
      ],
    },
  },
};

export type Family = 'inet' | 'bridge' | 'ip';

/** One table as a transaction that replaces whatever it was before, so that no packet meets half a rule set. */
export class TableBuilder {
  readonly #commands: Command[];
  readonly #family: Family;
  readonly #table: string;

  constructor(family: Family, table: string) {
    this.#family = family;
    this.#table = table;
    const own = { family, name: table };
    // `delete` fails where there is none, hence the first `add`.
    this.#commands = [{ add: { table: own } }, { delete: { table: own } }, { add: { table: own } }];
  }

  set(name: string, type: Json, elements: Json[], flags: string[] = []): this {
    this.#commands.push({
      add: {
        set: {
          family: this.#family,
          table: this.#table,
          name,
          type,
          ...(flags.length === 0 ? {} : { flags }),
          ...(elements.length === 0 ? {} : { elem: elements }),
        },
      },
    });
    return this;
  }

  chain(
    name: string,
    hook: string,
    prio: number,
    policy: 'accept' | 'drop',
    rules: Json[][],
    type: 'filter' | 'nat' = 'filter',
  ): this {
    const where = { family: this.#family, table: this.#table };
    this.#commands.push({ add: { chain: { ...where, name, type, hook, prio, policy } } });
    for (const expr of rules) this.#commands.push({ add: { rule: { ...where, chain: name, expr } } });
    return this;
  }

  build(): Command[] {
    return this.#commands;
  }
}
