import type { ImageId, Role, TokenId, UserId, VmId, VmKind, VmOrigin, VmState } from '@hearth/contract';

/**
 * The tables, in types that SQLite and PostgreSQL share: times are ISO 8601 texts in UTC (they sort as they are),
 * structures are JSON texts, hashes are hex texts.
 */
export interface Tables {
  users: { id: UserId; name: string; role: Role; created_at: string };
  tokens: {
    id: TokenId;
    user_id: UserId;
    /** sha256 of the token; the token itself is never kept. */
    hash: string;
    /** `file`: the machine's own token, see bootstrap.ts. */
    origin: 'api' | 'file';
    created_at: string;
    expires_at: string | null;
    last_used_at: string | null;
    revoked_at: string | null;
  };
  signin_links: { hash: string; user_id: UserId; expires_at: string; spent_at: string | null };
  sessions: { hash: string; user_id: UserId; created_at: string; expires_at: string };
  vms: {
    id: VmId;
    /** null: a warm VM that nobody has taken. */
    user_id: UserId | null;
    kind: VmKind;
    state: VmState;
    version: number;
    cpus: number;
    mem_mib: number;
    disk_mib: number;
    /** JSON of the size of its screen; null where it has none. */
    desktop: string | null;
    ip: string | null;
    image_id: ImageId | null;
    created_at: string;
    ready_at: string | null;
    deleted_at: string | null;
    timeline: string;
    failure: string | null;
    request_id: string;
    origin: VmOrigin | null;
    last_used_at: string | null;
    hibernated_at: string | null;
    deletes_at: string | null;
    start: 'auto' | 'cold';
    /** Not a reference: the source may be forgotten before its copy. */
    fork_of: VmId | null;
    /** The zero of the host's phases. */
    asked_at: string;
  };
  idempotency_keys: {
    user_id: UserId;
    key: string;
    request_hash: string;
    vm_id: VmId;
    created_at: string;
  };
}
