import { HearthError, providerIdSchema, Secret, type ProviderId } from '@hearth/contract';
import { z } from 'zod';
import { readSecret, type NewFile } from './secret-files.ts';

/** What an agent knows of a credential beside its files. */
export interface CredentialRecord {
  kind: 'sign_in' | 'api_key';
  version: number;
  /** Of what the vault has as this version; null: it arose here. */
  handedDigest: string | null;
  env: Readonly<Record<string, Secret>>;
}

const recordSchema = z.object({
  kind: z.enum(['sign_in', 'api_key']),
  version: z.number(),
  handedDigest: z.string().nullable(),
  env: z.record(z.string(), z.string()),
});
const fileSchema = z.record(z.string(), recordSchema);

/** The records in a file of the tmpfs itself, root's alone: they outlive the agent, and never the boot. */
export function createCredentialRecords(path: string): {
  asFile(records: ReadonlyMap<ProviderId, CredentialRecord>): NewFile;
  read(known: Partial<Record<ProviderId, unknown>>): Promise<Map<ProviderId, CredentialRecord>>;
} {
  return {
    asFile: (records) => {
      const plain = [...records].map(([id, { kind, version, handedDigest, env }]) => {
        const values = Object.entries(env).map(([name, secret]) => [name, secret.reveal()] as const);
        return [id, { kind, version, handedDigest, env: Object.fromEntries(values) }] as const;
      });
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      return { path, content: Buffer.from(JSON.stringify(Object.fromEntries(plain))), owner };
    },
    read: async (known) => {
      const text = await readSecret(path);
      if (text === null) return new Map();
      const parsed = fileSchema.safeParse(JSON.parse(text.toString()));
      if (!parsed.success)
        throw new HearthError('internal', `${path} is not what an agent writes`, { cause: parsed.error });
      const records = new Map<ProviderId, CredentialRecord>();
      for (const [name, { env, ...rest }] of Object.entries(parsed.data)) {
        const id = providerIdSchema.safeParse(name);
        if (!id.success || known[id.data] === undefined) continue;
        const secrets = Object.entries(env).map(([key, value]) => [key, new Secret(value)] as const);
        records.set(id.data, { ...rest, env: Object.fromEntries(secrets) });
      }
      return records;
    },
  };
}
