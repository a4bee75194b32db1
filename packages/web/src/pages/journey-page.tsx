import { providers } from '@hearth/contract';
import { useState, type ReactElement } from 'react';
import { Link, useParams } from 'react-router';
import '../connect/connect.css';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import '../journey/journey.css';
import { JourneyView } from '../journey/journey.tsx';
import { Connected, NotConnected } from '../journey/outcome.tsx';
import { StepList } from '../journey/step-list.tsx';
import { headline, stepsOf } from '../journey/steps.ts';
import { useJourney } from '../journey/use-journey.ts';
import { isOver, useSignin } from '../journey/use-signin.ts';

/** One sign-in from its beginning to its outcome. */
export function JourneyPage(): ReactElement {
  const { sessionId = '' } = useParams();
  return <OneJourney key={sessionId} sessionId={sessionId} />;
}

function OneJourney({ sessionId }: { sessionId: string }): ReactElement {
  const { signin, refused } = useSignin(sessionId);
  const journey = useJourney(sessionId);
  const [keyStored, setKeyStored] = useState(false);
  const provider = signin === undefined ? undefined : providers[signin.provider];
  const title =
    signin === undefined || provider === undefined
      ? 'Sign-in'
      : keyStored
        ? `${provider.title} is connected`
        : headline(signin, provider);
  useTitle(title);
  if (signin === undefined || provider === undefined)
    return (
      <PageFrame>
        <p className="small">
          <Link to="/connect">← Connect</Link>
        </p>
        {refused === null ? (
          <p className="muted" role="status">
            Looking for the sign-in…
          </p>
        ) : (
          <>
            <h1>This sign-in can’t be shown</h1>
            <Problem error={refused} />
          </>
        )}
      </PageFrame>
    );
  const over = isOver(signin.state);
  const connected = keyStored || signin.state === 'completed';
  return (
    <PageFrame wide={!connected && !over && signin.method === 'browser'}>
      <p className="small">
        <Link to="/connect">← Connect</Link>
      </p>
      <div className="page-head">
        <h1 aria-live="polite">{title}</h1>
      </div>
      {connected ? (
        <Connected provider={provider} account={signin.account} byKey={keyStored} />
      ) : over ? (
        <>
          <StepList steps={stepsOf(signin, provider)} />
          <NotConnected signin={signin} provider={provider} onStored={() => setKeyStored(true)} />
        </>
      ) : (
        <JourneyView
          {...{ signin, provider, journey }}
          onKeyStored={() => {
            setKeyStored(true);
            // The key does it: nobody waits for the sign-in any more.
            journey.act({ name: 'cancel' });
          }}
        />
      )}
    </PageFrame>
  );
}
