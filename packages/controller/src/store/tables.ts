import type {
  Credential,
  CredentialId,
  CredentialState,
  ImageId,
  ProviderId,
  Role,
  RunEvent,
  RunId,
  RunState,
  Signin,
  SigninId,
  SigninState,
  TokenId,
  UserId,
  VmId,
  VmKind,
  VmOrigin,
  VmState,
} from '@hearth/contract';

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
    /** JSON of what `why` found. */
    finding: string | null;
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
  /** Only of those who have another one than the default. */
  quotas: { user_id: UserId; /** JSON of the parts that are not the default. */ quota: string };
  idempotency_keys: {
    user_id: UserId;
    key: string;
    request_hash: string;
    vm_id: VmId;
    created_at: string;
  };
  runs: {
    id: RunId;
    user_id: UserId;
    provider: ProviderId;
    state: RunState;
    version: number;
    /** Its first 400 characters. */
    prompt: string;
    session_id: string | null;
    /** The conversation that it continues. */
    continues: string | null;
    model: string | null;
    cwd: string;
    /** null: its person's own one. */
    wanted_vm_id: VmId | null;
    /** Not a reference: a VM may be forgotten before its runs. */
    vm_id: VmId | null;
    timeout_ms: number;
    exit_code: number | null;
    ended_by: 'itself' | 'timeout' | 'cancel' | null;
    failure: string | null;
    created_at: string;
    started_at: string | null;
    ended_at: string | null;
    usage: string | null;
    /** Events so far. */
    events: number;
    /** JSON of the files that it changed, without their diffs. */
    changes: string | null;
    request_id: string;
    /** 0 or 1. */
    cancel_wanted: number;
    /** Of the last line of its output in the guest that is taken in; -1 before the first. */
    guest_seq: number;
    /** 1: the guest may have something of it. */
    in_guest: number;
    needs_login: string | null;
    tool_error: string | null;
    stderr_tail: string;
    idempotency_key: string | null;
    request_hash: string;
  };
  /** The whole prompt and the files of a run that waits; gone once it runs. */
  run_orders: { run_id: RunId; body: string };
  run_events: {
    run_id: RunId;
    seq: number;
    type: RunEvent['type'];
    /** Length of `body`. */
    bytes: number;
    /** JSON of the event, `seq` included. */
    body: string;
  };
  run_changes: { run_id: RunId; body: string };
  /** The CLI VM that is a person's home. */
  cli_vms: { user_id: UserId; vm_id: VmId };
  signins: {
    id: SigninId;
    user_id: UserId;
    provider: ProviderId;
    method: Signin['method'];
    state: SigninState;
    version: number;
    vm_id: VmId | null;
    browser_ip: string | null;
    oauth_url: string | null;
    user_code: string | null;
    /** 0 or 1. */
    wants_code: number;
    code_refused: string | null;
    words: string;
    account: string | null;
    failure: string | null;
    created_at: string;
    expires_at: string;
    /** null: it is under way; of one person and provider, one is. */
    ended_at: string | null;
    timeline: string;
    request_id: string;
    /** 1: nothing of it is left to be deleted. */
    swept: number;
  };
  credentials: {
    id: CredentialId;
    user_id: UserId;
    provider: ProviderId;
    kind: Credential['kind'];
    state: CredentialState;
    /** Counts every change. */
    revision: number;
    /** Of the secret; counts on over removals, so that an old one in a VM is always known as old. */
    version: number;
    account: string | null;
    created_at: string;
    updated_at: string;
    refreshed_at: string | null;
    expires_at: string | null;
    last_used_at: string | null;
    refusals: number;
    /** JSON of how the last runs ended, newest first. */
    outcomes: string;
    owner_vm_id: VmId | null;
    /** JSON of who wrote each version, newest first. */
    versions: string;
    /** Of the key that the envelope is under. */
    key_id: string | null;
    /** JSON, see vault/envelope.ts; null once it is removed. */
    envelope: string | null;
  };
}
