import type { Config, Log } from '@hearth/contract';
import type { FastifyBaseLogger } from 'fastify';
import type { World } from './clock.ts';
import { createDesktops, type Desktops } from './desktops/desktops.ts';
import { createScreenshots } from './desktops/screenshots.ts';
import { createTicketMemory, createTickets } from './desktops/tickets.ts';
import { createHealth } from './health.ts';
import type { HostLink } from './host-link/host-link.ts';
import { buildApp } from './http/app.ts';
import type { App } from './http/fastify.ts';
import { createCliVms } from './runs/cli-vms.ts';
import { createCliVmStore } from './store/cli-vms.ts';
import { pingDatabase, type Database } from './store/database.ts';
import { createUserStore } from './store/users.ts';
import { createVmStore } from './store/vms.ts';
import { createAccessService, type AccessService } from './users/access-service.ts';
import { createActivity } from './vms/activity.ts';
import { createCreation } from './vms/creation.ts';
import { createHandOver, shuttingDown } from './vms/hand-over.ts';
import { createHibernation } from './vms/hibernation.ts';
import { createHostView } from './vms/host-view.ts';
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
  reconcile: Reconcile;
  expire: Expire;
  hibernate: HibernateWorker;
  pool: WarmPool;
  /** Starts to follow the host and to work; after listening, so that a second controller does nothing. */
  startWorkers(): void;
  /** Ends streams and work, answers what is under way, closes the database. */
  close(): Promise<void>;
}

/** Puts the controller together; all it needs comes in by arguments. */
export async function buildController(deps: ControllerDeps): Promise<Controller> {
  const { config, version, db, host, world, logger, web } = deps;
  const stop = new AbortController();
  const signal = stop.signal;
  const log: Log = (message, fields = {}) => {
    logger.info(fields, message);
  };

  const vmStore = createVmStore(db);
  const users = createUserStore(db);
  const changes = createVmChanges();
  const book = createVmBook(vmStore, changes);
  const policy = config.vms.hibernate;
  const view = createHostView({ book, world, deleteAfterDays: policy.deleteAfterDays });
  const handOver = createHandOver({ book, view, host, world, log, signal });
  const activity = createActivity({ book, world, log });
  const pool = createWarmPool({ book, handOver, host, config, world, log, signal });
  const creation = createCreation({ book, users, host, handOver, pool, config, world });
  const hibernation = createHibernation({ book, handOver, pool });
  const vms = createVmService({ book, handOver, creation, hibernation, world });
  const cliVms = createCliVms({ store: createCliVmStore(db), book, vms });
  const access = createAccessService(users, world);
  const tickets = createTickets(createTicketMemory(), world);
  const desktops = createDesktops({ vms, activity, changes, host, tickets, config, world, log, signal });
  const screenshots = createScreenshots({ host, log, signal });
  const health = createHealth({ pingDatabase: () => pingDatabase(db), host, world, version, signal });
  const reconcile = createReconcile({ book, view, host, handOver, world, log, signal });
  const { retentionDays } = config.controller;
  const expire = createExpire({ vms: vmStore, users, retentionDays, world, log, signal });
  const { homes } = cliVms;
  const hibernate = createHibernateWorker({ book, handOver, activity, homes, policy, world, log, signal });
  const services = {
    config,
    version,
    vms,
    cliVms,
    activity,
    access,
    host,
    desktops,
    screenshots,
    web,
    health,
    world,
  };
  const { app, drain } = await buildApp({ ...services, stopping: signal }, logger);
  let following: Promise<void> = Promise.resolve();

  return {
    app,
    access,
    vms,
    changes,
    desktops,
    reconcile,
    expire,
    hibernate,
    pool,
    startWorkers: () => {
      const onFollowing = (): void => void pool.run();
      following = followHost({ host, view, reconcile, onFollowing, log, signal });
      reconcile.start();
      expire.start();
      hibernate.start();
      pool.start();
    },
    close: async () => {
      if (signal.aborted) return;
      stop.abort(shuttingDown());
      await drain();
      await app.close();
      await following;
      await handOver.settled();
      await Promise.all([reconcile, hibernate, pool, activity].map((work) => work.settled()));
      await host.close();
      await db.destroy();
    },
  };
}
