import { asHearthError, type Config, type Log } from '@hearth/contract';
import type { FastifyBaseLogger } from 'fastify';
import { createBreaker, type CircuitBreaker } from './admission/breaker.ts';
import type { World } from './clock.ts';
import { createCredentialBook } from './credentials/credential-book.ts';
import { createCredentialService, type CredentialService } from './credentials/credential-service.ts';
import { createCustody } from './credentials/custody.ts';
import { createKeeper } from './credentials/keeper.ts';
import { createDesktops, type Desktops } from './desktops/desktops.ts';
import { createScreenshots } from './desktops/screenshots.ts';
import { createTerminals, type Terminals } from './terminals/terminals.ts';
import { createTicketMemory, createTickets } from './tickets/tickets.ts';
import { createHealth } from './health.ts';
import { defaultQuota } from './domain/users/quota.ts';
import type { HostLink } from './host-link/host-link.ts';
import { buildApp } from './http/app.ts';
import type { App } from './http/fastify.ts';
import { createControllerMetrics } from './metrics/controller-metrics.ts';
import { createDrain } from './operations/drain.ts';
import { createHostState } from './operations/host-state.ts';
import { createUserAdministration } from './operations/users.ts';
import { createWhyService } from './operations/why.ts';
import { createCliVms } from './runs/cli-vms.ts';
import { createRuns } from './runs/runs.ts';
import type { RunWorker } from './runs/run-worker.ts';
import { createCliVmStore } from './store/cli-vms.ts';
import { createCountStore } from './store/counts.ts';
import { createCompletion } from './signins/completion.ts';
import { createGuestLogin } from './signins/guest-login.ts';
import { createJourneys } from './signins/journey.ts';
import { createSigninBook } from './signins/signin-book.ts';
import { createSigninService, type SigninService } from './signins/signin-service.ts';
import { createCredentialStore } from './store/credentials.ts';
import { createQuotaStore } from './store/quotas.ts';
import { createRunStore } from './store/runs.ts';
import { createSigninStore } from './store/signins.ts';
import { pingDatabase, type Database } from './store/database.ts';
import { createUserStore } from './store/users.ts';
import { createVmStore } from './store/vms.ts';
import { createAccessService, type AccessService } from './users/access-service.ts';
import type { KeyStore } from './vault/key-store.ts';
import { createVault, type Vault } from './vault/vault.ts';
import { createActivity } from './vms/activity.ts';
import { createCreation } from './vms/creation.ts';
import { createHandOver, shuttingDown } from './vms/hand-over.ts';
import { createHibernation } from './vms/hibernation.ts';
import { createHostView } from './vms/host-view.ts';
import { tellStates } from './vms/tell-states.ts';
import { createVmBook } from './vms/vm-book.ts';
import { createVmChanges, type VmChanges } from './vms/vm-changes.ts';
import { createVmService, type VmService } from './vms/vm-service.ts';
import { createExpire, type Expire } from './workers/expire.ts';
import { followHost } from './workers/follow-host.ts';
import { createHibernateWorker, type HibernateWorker } from './workers/hibernate.ts';
import { createReconcile, type Reconcile } from './workers/reconcile.ts';
import { createWarmPool, type WarmPool } from './workers/warm-pool.ts';
import type { WebApp } from './web-app.ts';

export interface ControllerDeps {
  config: Config;
  version: string;
  db: Database;
  host: HostLink;
  /** Where the vault's master key is. */
  keys: KeyStore;
  world: World;
  logger: FastifyBaseLogger;
  /** null: the web application was not built. */
  web: WebApp | null;
}

export interface Controller {
  app: App;
  access: AccessService;
  vms: VmService;
  changes: VmChanges;
  desktops: Desktops;
  terminals: Terminals;
  reconcile: Reconcile;
  expire: Expire;
  hibernate: HibernateWorker;
  pool: WarmPool;
  breaker: CircuitBreaker;
  runs: RunWorker;
  credentials: CredentialService;
  signins: SigninService;
  vault: Vault;
  /** Starts to follow the host and to work; after listening, so that a second controller does nothing. */
  startWorkers(): void;
  /** Ends streams and work, answers what is under way, closes the database. */
  close(): Promise<void>;
}

/** Puts the controller together; all it needs comes in by arguments. */
export async function buildController(deps: ControllerDeps): Promise<Controller> {
  const { config, version, db, host, keys, world, logger, web } = deps;
  const stop = new AbortController();
  const signal = stop.signal;
  const log: Log = (message, fields = {}) => {
    // What went wrong names its code.
    if ('code' in fields) logger.warn(fields, message);
    else logger.info(fields, message);
  };

  const vmStore = createVmStore(db);
  const users = createUserStore(db);
  const startedAtMs = world.now().getTime();
  const metrics = createControllerMetrics({
    ...{ counts: createCountStore(db), host, startedAtMs, log },
    breaker: () => breaker.state(),
  });
  const tell = tellStates(log, startedAtMs);
  const changes = createVmChanges((id, vm) => {
    tell(id, vm);
    metrics.vmChanged(id, vm);
    breaker.vmChanged(vm);
  });
  const book = createVmBook(vmStore, changes);
  const policy = config.vms.hibernate;
  const credentialStore = createCredentialStore(db);
  const vault = createVault({ keys, store: credentialStore, randomBytes: world.randomBytes });
  const credentialBook = createCredentialBook({ db, store: credentialStore, vault, world });
  const custody = createCustody(credentialBook, host, log);
  const keeper = createKeeper({ book: credentialBook, custody, vms: vmStore, log, signal });
  const credentials = createCredentialService({
    ...{ book: credentialBook, custody, vms: vmStore, policy: config.runs, world, log },
  });
  const { deleteAfterDays } = policy;
  const view = createHostView({ book, world, deleteAfterDays, onSeen: (seen) => keeper.observe(seen) });
  const quota = defaultQuota(config.controller);
  const handOver = createHandOver({
    ...{ book, view, host, quota, world, log, signal },
    takeBack: (vm, until) => credentials.takeBack(vm, until),
  });
  const activity = createActivity({ book, world, log });
  const onDrain = (): void => {
    void pool.run();
    void hibernate.run();
  };
  const drain = createDrain({ host, vms: vmStore, onChange: onDrain, log, signal });
  const draining = (): boolean => drain.draining();
  const emptying = (): boolean => drain.emptying();
  const breaker = createBreaker({ book, handOver, host, config, draining, world, log, signal });
  const pool = createWarmPool({
    ...{ book, handOver, host, config, emptying, world, log, signal },
    paused: () => draining() || breaker.state() !== 'closed',
  });
  const admit = async (): Promise<void> => {
    drain.requireOff();
    await breaker.requireClosed();
  };
  const creation = createCreation({ book, users, host, handOver, pool, admit, config, world });
  const hibernation = createHibernation({ book, handOver, pool });
  const vms = createVmService({ book, handOver, creation, hibernation, world });
  const homes = createCliVmStore(db);
  const cliVms = createCliVms({ store: homes, book, vms });
  const runStore = createRunStore(db);
  const runs = createRuns({
    ...{ store: runStore, homes, vms: book, cliVms, credentials, activity, host, limits: config.runs },
    ...{ world, log, signal },
  });
  const signinStore = createSigninStore(db);
  const signinBook = createSigninBook(signinStore, world);
  const login = createGuestLogin(host);
  const complete = createCompletion({ book: signinBook, credentials: credentialBook, host, world });
  const journeys = createJourneys({ book: signinBook, vms, vmStore, login, complete, world, log, signal });
  const signins = createSigninService({
    ...{ book: signinBook, journeys, login, users, vault, policy: config.signins, world, signal },
  });
  const access = createAccessService(users, world);
  const tickets = createTickets(createTicketMemory(), world);
  const desktops = createDesktops({ vms, activity, changes, host, tickets, config, world, log, signal });
  const terminals = createTerminals({
    ...{ vms, activity, changes, credentials, host, tickets, world, log, signal },
  });
  const screenshots = createScreenshots({ host, log, signal });
  const health = createHealth({
    ...{
      pingDatabase: () => pingDatabase(db),
      checkVault: () => vault.check(),
      host,
      world,
      version,
      signal,
    },
  });
  const reconcile = createReconcile({ book, view, host, handOver, world, log, signal });
  const retentionDays = {
    vms: config.controller.retentionDays,
    signins: config.signins.retentionDays,
    runs: config.runs.retentionDays,
  };
  const expire = createExpire({
    ...{ vms: vmStore, users, signins: signinStore, runs: runStore, retentionDays, world, log, signal },
  });
  const hibernate = createHibernateWorker({
    ...{ book, handOver, activity, homes: cliVms.homes, policy, emptying, world, log, signal },
    hasTerminals: (vm, until) => terminals.anyRuns(vm, until),
  });
  const services = {
    config,
    version,
    vms,
    cliVms,
    runs: runs.service,
    credentials,
    signins,
    vault,
    activity,
    access,
    host,
    desktops,
    terminals,
    screenshots,
    web,
    health,
    metrics,
    world,
    why: createWhyService({ vms, host, world }),
    hostState: createHostState({ host, vms: vmStore, breaker }),
    drain,
    breaker,
    users: createUserAdministration(createQuotaStore(db), quota),
  };
  const { app, drain: drainCalls } = await buildApp({ ...services, stopping: signal }, logger);
  let following: Promise<void> = Promise.resolve();

  return {
    app,
    access,
    vms,
    changes,
    desktops,
    terminals,
    reconcile,
    expire,
    hibernate,
    pool,
    breaker,
    runs: runs.worker,
    credentials,
    signins,
    vault,
    startWorkers: () => {
      const onFollowing = (): void => {
        void drain.refresh();
        void pool.run();
      };
      following = followHost({ host, view, reconcile, onFollowing, log, signal });
      reconcile.start();
      expire.start();
      hibernate.start();
      pool.start();
      breaker.start();
      signins.startWorker();
      runs.worker.start();
      vault.recover().catch((error: unknown) => {
        log('the vault is closed', { code: 'vault_failed', detail: asHearthError(error).detail });
      });
    },
    close: async () => {
      if (signal.aborted) return;
      stop.abort(shuttingDown());
      await drainCalls();
      await app.close();
      await following;
      await handOver.settled();
      await Promise.all(
        [reconcile, hibernate, pool, breaker, activity, journeys, keeper, runs.worker].map((work) =>
          work.settled(),
        ),
      );
      await host.close();
      await db.destroy();
    },
  };
}
