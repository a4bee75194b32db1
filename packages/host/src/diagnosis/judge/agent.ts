import { errorOf, valueOf, type Evidence } from '../evidence.ts';
import { broken, notHad, ok, unknown, type Judge, type Judgement } from './judgement.ts';

export const judgeReachability: Judge<'reachability'> = ({ reach, report }) => {
  const toGuest = valueOf(reach);
  const toGateway = valueOf(report)?.report.gateway ?? null;
  const seen = [
    ...(toGuest === undefined ? [] : [`host to guest: ${toGuest.detail}`]),
    ...(toGateway === null ? [] : [`guest to gateway: ${toGateway.detail}`]),
  ];
  if (toGuest?.outcome === 'no_answer' || toGuest?.outcome === 'unreachable')
    return broken('unreachable_from_host', toGuest.detail, seen);
  if (toGateway?.ok === false) return broken('unreachable_from_guest', toGateway.detail, seen);
  if (toGuest === undefined) return notHad(errorOf(reach), 'There is nobody to reach');
  return ok(toGateway === null ? 'The host reaches the guest' : 'Packets go both ways', seen);
};

/** Its port is closed, or nobody could be asked there. */
function judgeAbsent(evidence: Evidence, seen: string[]): Judgement<'agent'> {
  const agent = valueOf(evidence.console)?.agent ?? null;
  if (agent !== null) seen.push(agent.line.text);
  // A unit that ends badly says so on the console, each time; one that was stopped in order says nothing and stays away.
  return agent?.state === 'crashed'
    ? broken('agent_crashed', agent.line.text, seen)
    : broken(
        'agent_masked',
        agent?.state === 'absent' ? agent.line.text : 'It was stopped in order and does not come back',
        seen,
      );
}

/** Nothing came over the network from it. */
function judgeSilent(evidence: Evidence, seen: string[]): Judgement<'agent'> {
  const { ping, controlOpen, console } = evidence;
  if (valueOf(ping) !== undefined)
    return unknown('It answers on the control channel, and can’t be reached', seen);
  const said = valueOf(console)?.agent?.state;
  const held = valueOf(evidence.vmm)?.guestHasControl ?? null;
  if (errorOf(ping) === undefined) return unknown('It can’t be reached', seen);
  if (held === false && (said === 'absent' || said === 'crashed')) return judgeAbsent(evidence, seen);
  // It holds its end of the control channel open and reads nothing: the whole guest stands still.
  if (held === true && controlOpen) return broken('agent_hung', 'It answers neither way', seen);
  return unknown('It can’t be reached', seen);
}

export const judgeAgent: Judge<'agent'> = (evidence) => {
  const { record, reach, health, words, agentVersion, ping } = evidence;
  const answer = valueOf(health);
  const version = answer?.version ?? words?.helloVersion ?? null;
  const seen = version === null ? [] : [`version ${version}`];
  if (answer !== undefined && answer.vmId !== record.id)
    return broken('agent_of_another_vm', `It says that it is ${answer.vmId}`, seen);
  if (version !== null && agentVersion !== null && version !== agentVersion)
    return broken('agent_wrong_version', `It is ${version}, the image names ${agentVersion}`, seen);
  if (answer !== undefined) return ok(`It answers, and is that of ${answer.vmId}`, seen);
  const tried = valueOf(reach);
  if (tried === undefined) return notHad(errorOf(reach), 'There is nobody to ask');
  seen.push(tried.detail);
  if (tried.outcome === 'refused') {
    // Whoever answers on the control channel runs.
    if (valueOf(ping) !== undefined)
      return broken('agent_hung', 'It runs, and does not listen on the network', seen);
    return judgeAbsent(evidence, seen);
  }
  if (tried.outcome !== 'accepted') return judgeSilent(evidence, seen);
  const error = errorOf(health);
  if (error === undefined) return unknown('It was not asked', seen);
  if (error.code === 'unauthenticated' || error.code === 'agent_not_configured')
    return ok('It answers', [...seen, error.detail]);
  return broken('agent_hung', 'It takes connections and gives no fit answer', [...seen, error.detail]);
};

export const judgeToken: Judge<'token'> = ({ health }) => {
  const error = errorOf(health);
  if (valueOf(health) !== undefined) return ok('It takes the token of this boot');
  if (error?.code === 'unauthenticated' || error?.code === 'agent_not_configured')
    return broken('token_refused', error.detail, [error.detail]);
  return notHad(error, 'There is nobody to ask');
};
