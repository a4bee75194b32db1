import type { Provider, Signin, Vm } from '@hearth/contract';
import { lazy, Suspense, useState, type ReactElement } from 'react';
import { ApiKeyForm } from '../connect/api-key-form.tsx';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { TimelinePicture } from '../timeline/timeline-picture.tsx';
import { formatSpan } from '../vms/age.ts';
import { isBooting } from '../vms/state-words.ts';
import { useVm } from '../vms/use-vm.ts';
import { LinkBox, UserCode } from './link-box.tsx';
import { ToolWords } from './outcome.tsx';
import { PasteCode } from './paste-code.tsx';
import { StepList } from './step-list.tsx';
import { stepsOf } from './steps.ts';
import type { Journey } from './use-journey.ts';

/** noVNC comes only where a desktop is shown. */
const DesktopPart = lazy(async () => ({ default: (await import('./desktop-part.tsx')).DesktopPart }));

const STEP_MS = 1000;

export interface JourneyProps {
  signin: Signin;
  provider: Provider;
  journey: Journey;
  onKeyStored: () => void;
}

/** A sign-in that is under way: its steps and what the person does, beside the desktop. */
export function JourneyView({ signin, provider, journey, onKeyStored }: JourneyProps): ReactElement {
  const { state, method, userCode, words, wantsCode, codeRefused } = signin;
  const begun = state !== 'requested' && state !== 'starting';
  const [wanted, setWanted] = useState(method === 'browser');
  const vm = useSigninVm(signin);
  const folded = vm?.state === 'ready' && !wanted;
  const codeComes = method === 'pasted_code' || wantsCode || codeRefused !== null;
  return (
    <div className={`journey ${folded ? 'folded' : ''}`}>
      <div className="journey-side">
        <section className="panel" aria-label="Your sign-in">
          <StepList steps={stepsOf(signin, provider)} />
          {begun ? <LinkBox {...{ signin, provider, journey }} /> : null}
          {userCode === null ? null : <UserCode code={userCode} />}
          {begun && codeComes ? <PasteCode {...{ signin, provider, journey }} /> : null}
          {words.trim() === '' ? null : <ToolWords words={words} />}
          <div className="row">
            <TimeLeft expiresAt={signin.expiresAt} />
            <button
              type="button"
              className="button slim push"
              disabled={journey.busyWith === 'cancel'}
              onClick={() => journey.act({ name: 'cancel' })}
            >
              {journey.busyWith === 'cancel' ? 'Cancelling…' : 'Cancel the sign-in'}
            </button>
          </div>
          {journey.error?.of === 'cancel' ? <Problem error={journey.error.error} /> : null}
        </section>
        <section className="panel" aria-label="API key">
          <h2>Or use an API key</h2>
          <ApiKeyForm provider={provider} onStored={onKeyStored} />
          <p className="muted small">{provider.policy}</p>
        </section>
      </div>
      <div className="journey-screen">
        {folded ? (
          <button type="button" className="button slim" onClick={() => setWanted(true)}>
            <Icon name="screen" /> Show the desktop
          </button>
        ) : (
          <Screen vm={vm} />
        )}
      </div>
    </div>
  );
}

/** The VM of a sign-in, followed until it is ready: from then on the sign-in's own events tell whatever matters. */
function useSigninVm({ vmId }: Signin): Vm | undefined {
  const [settled, setSettled] = useState(false);
  const { vm } = useVm(vmId ?? '', vmId !== null && !settled);
  if (vm?.state === 'ready' && !settled) setSettled(true);
  return vm;
}

/** How the VM starts, then its desktop. */
function Screen({ vm }: { vm: Vm | undefined }): ReactElement {
  if (vm?.state === 'ready')
    return (
      <Suspense fallback={<p className="muted">Loading…</p>}>
        <DesktopPart vm={vm} />
      </Suspense>
    );
  return (
    <section className="panel" aria-label="How the VM starts">
      {vm === undefined ? (
        <p className="muted" role="status">
          A browser VM is being made…
        </p>
      ) : (
        <TimelinePicture vm={vm} />
      )}
      {vm === undefined || isBooting(vm) ? (
        <p className="muted small">You need not wait here: it goes on when you leave and come back.</p>
      ) : null}
    </section>
  );
}

function TimeLeft({ expiresAt }: { expiresAt: string }): ReactElement {
  const leftMs = Math.max(0, Date.parse(expiresAt) - useTicking(STEP_MS));
  return <span className="muted small">{formatSpan(Math.floor(leftMs / 1000) * 1000)} left</span>;
}
