import { asHearthError, type Log } from '@hearth/contract';
import type { World } from '../clock.ts';
import { DAY_MS, IDEMPOTENCY_MS, later } from '../domain/users/lifetimes.ts';
import type { RunStore } from '../store/runs.ts';
import type { SigninStore } from '../store/signins.ts';
import type { UserStore } from '../store/users.ts';
import type { VmStore } from '../store/vms.ts';

const PERIOD_MS = 10 * 60_000;

export interface ExpireDeps {
  vms: VmStore;
  users: UserStore;
  signins: SigninStore;
  runs: Pick<RunStore, 'forgetEnded'>;
  retentionDays: { vms: number; signins: number; runs: number };
  world: World;
  log: Log;
  signal: AbortSignal;
}

export interface Expire {
  /** Forgets what is past its time: deleted VMs, ended sign-ins and runs, idempotency keys, sessions and links. */
  run(): Promise<void>;
  start(): void;
}

export function createExpire(deps: ExpireDeps): Expire {
  const { vms, users, signins, runs, retentionDays, world, log, signal } = deps;
  const run = async (): Promise<void> => {
    try {
      const now = world.now();
      const forgotten = await vms.forgetDeleted(later(now, -retentionDays.vms * DAY_MS));
      await signins.forgetEnded(later(now, -retentionDays.signins * DAY_MS));
      await runs.forgetEnded(later(now, -retentionDays.runs * DAY_MS));
      await vms.forgetKeys(later(now, -IDEMPOTENCY_MS));
      await users.forgetExpired(now.toISOString());
      if (forgotten.length > 0) log('forgot VMs past their retention', { vmIds: forgotten });
    } catch (error) {
      const { code, detail } = asHearthError(error);
      log('forgetting what is past its time failed; it is tried again', { code, detail });
    }
  };
  return {
    run,
    start: () => {
      void run();
      const timer = setInterval(() => void run(), PERIOD_MS);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}
