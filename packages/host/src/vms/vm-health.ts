import { isUp, type Log, type Progress, type Why } from '@hearth/contract';
import type { VmHostDeps } from './ports.ts';
import type { VmCell } from './vm-cell.ts';
import type { VmPaths } from './vm-paths.ts';
import type { VmRun } from './vm-run.ts';

export interface VmHealthOptions {
  cell: VmCell;
  paths: VmPaths;
  deps: Pick<VmHostDeps, 'images' | 'diagnosis'>;
  /** The run of the VM as it is now. */
  run: () => VmRun;
  log: Log;
}

/** Is one VM well, and why not? */
export class VmHealth {
  readonly #options: VmHealthOptions;
  readonly #ended = new AbortController();
  #explaining: Promise<void> = Promise.resolve();

  constructor(options: VmHealthOptions) {
    this.#options = options;
  }

  /** Resolves when its agent answered over the control channel. */
  async ping(progress: Progress): Promise<void> {
    await this.#options.run().ping(progress);
  }

  /** Is its control channel open? */
  hearsGuest(): boolean {
    return this.#options.run().sight().controlOpen;
  }

  /** As the guest last said. */
  servicesRun(): boolean {
    return this.#options.run().sight().words?.services.every(isUp) ?? true;
  }

  /** Looks at every layer of it. */
  async diagnose(trigger: Why['trigger'], signal: AbortSignal): Promise<Why> {
    const { cell, paths, deps, run } = this.#options;
    const { imageId, address } = cell.record;
    // An image that is gone leaves a check unknown, and nothing else.
    const manifest = imageId === null ? null : await deps.images.byId(imageId).catch(() => null);
    const { secrets } = run();
    return deps.diagnosis.diagnose(
      {
        ...{ record: cell.record, paths, manifest, vncPassword: secrets.vncPassword },
        ...run().sight(),
        endpoint: address === null ? null : { ip: address.ip, token: secrets.token },
      },
      trigger,
      signal,
    );
  }

  /** Keeps what was found of it while it is ready; null: it is well again. */
  async tell(why: Why | null): Promise<void> {
    const { cell } = this.#options;
    if (cell.record.state !== 'ready') return;
    cell.change({ finding: why?.finding ?? null });
    if (why !== null) await this.#keep(why);
  }

  /** While all of it is still there: what it failed of, kept with it. */
  async explainFailure(): Promise<void> {
    this.#explaining = this.#explain();
    await this.#explaining;
  }

  /** Resolves once a failure that is being looked into was explained. */
  async explained(): Promise<void> {
    await this.#explaining;
  }

  /** Nobody needs a diagnosis any more. */
  end(): void {
    this.#ended.abort();
  }

  async #explain(): Promise<void> {
    const { cell, log } = this.#options;
    const { signal } = this.#ended;
    try {
      const why = await this.diagnose('failed', signal);
      await this.#keep(why);
      log('VM diagnosed', { cause: why.finding?.cause ?? 'unknown', summary: why.summary });
      if (why.finding !== null) cell.change({ finding: why.finding });
    } catch (error) {
      if (!signal.aborted) log('a VM was not diagnosed', { error: String(error) });
    }
  }

  async #keep(why: Why): Promise<void> {
    const { deps, log } = this.#options;
    try {
      await deps.diagnosis.keep(why);
    } catch (error) {
      log('a diagnosis was not kept', { layer: 'disk', error: String(error) });
    }
  }
}
