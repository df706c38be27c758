import {
  CIRCUIT_FAILURES,
  CIRCUIT_LAST_RESORT_MS,
  CIRCUIT_OPEN_MAX_MS,
  CIRCUIT_OPEN_MS,
  CIRCUIT_WINDOW,
  PROBE_LOST_MS,
  PROBE_POLL_MS,
} from '../limits.ts';
import type { Fault } from './fault.ts';

/**
 * What real traffic has shown of one upstream (passive health), as a circuit breaker.
 *
 * `closed` takes everything and remembers the last outcomes, newest last, true for a failure. `resting` said itself when
 * to come back. `open` failed too often and is left alone; when its time is over it is half-open: one request at a time
 * probes it, and all the others go elsewhere. Times are milliseconds of the caller's clock.
 */
export type Circuit =
  | { state: 'closed'; recent: readonly boolean[] }
  | { state: 'resting'; until: number; probe: Probe }
  | { state: 'open'; since: number; until: number; times: number; probe: Probe };

/** A request that is out to show whether the upstream has recovered, how far it came, and when that was; or none. */
type Probe = { state: 'asked' | 'answering'; at: number } | null;

/** Whether an upstream may be called now. */
export type Standing =
  | { kind: 'ready' }
  /** Its time is over: one request should go there, to find out. */
  | { kind: 'due' }
  /** Only where nothing else is left. */
  | { kind: 'last-resort' }
  /** Somebody else's probe is out; to be looked at again. */
  | { kind: 'probed'; until: number }
  | { kind: 'shut'; until: number };

export const CLOSED: Circuit = { state: 'closed', recent: [] };

export function standing(circuit: Circuit, now: number): Standing {
  if (circuit.state === 'closed') {
    return { kind: 'ready' };
  }
  if (isOut(circuit.probe, now)) {
    return circuit.probe?.state === 'answering'
      ? { kind: 'last-resort' }
      : { kind: 'probed', until: now + PROBE_POLL_MS };
  }
  if (now >= circuit.until) {
    return { kind: 'due' };
  }
  if (circuit.state === 'resting') {
    return { kind: 'shut', until: circuit.until };
  }
  const earliest = circuit.since + CIRCUIT_LAST_RESORT_MS;
  return now >= earliest ? { kind: 'last-resort' } : { kind: 'shut', until: Math.min(earliest, circuit.until) };
}

/** A call begins. It is a probe, whose outcome moves the circuit, unless the circuit is closed or has a probe out. */
export function onCall(circuit: Circuit, now: number): { circuit: Circuit; isProbe: boolean } {
  return circuit.state === 'closed' || isOut(circuit.probe, now)
    ? { circuit, isProbe: false }
    : { circuit: { ...circuit, probe: { state: 'asked', at: now } }, isProbe: true };
}

/** Headers with status 200 have come: an upstream that had no room has some. A broken one has proven nothing yet. */
export function onAccepted(circuit: Circuit, isProbe: boolean): Circuit {
  return isProbe && circuit.state === 'resting' ? CLOSED : circuit;
}

/** The first piece of an answer has come. */
export function onFirst(circuit: Circuit, isProbe: boolean, now: number): Circuit {
  return isProbe && circuit.state === 'open' ? { ...circuit, probe: { state: 'answering', at: now } } : circuit;
}

/** An answer came to its proven end. */
export function onWhole(circuit: Circuit, isProbe: boolean): Circuit {
  if (circuit.state === 'closed') {
    return remember(circuit.recent, false);
  }
  return isProbe ? CLOSED : circuit;
}

/**
 * A call failed, before its first piece or in the middle. Not every fault says something about the upstream.
 *
 * @param random 0 to 1; spreads the probes of many isolates.
 */
export function onFault(circuit: Circuit, isProbe: boolean, fault: Fault, now: number, random: number): Circuit {
  if (fault.kind === 'request' || fault.kind === 'unfit') {
    return onDropped(circuit, isProbe);
  }
  if (circuit.state !== 'closed' && !isProbe) {
    // It began before the circuit opened; what it found out is known.
    return circuit;
  }
  if (fault.kind === 'busy') {
    return { state: 'resting', until: now + fault.restMs * (1 + random / 4), probe: null };
  }
  if (circuit.state === 'open') {
    return opened(circuit.times + 1, now, random);
  }
  const next = remember(circuit.state === 'closed' ? circuit.recent : [], true);
  return next.recent.filter(Boolean).length >= CIRCUIT_FAILURES ? opened(1, now, random) : next;
}

/** A call ended without showing anything: its client left, or another answer was first. */
export function onDropped(circuit: Circuit, isProbe: boolean): Circuit {
  return isProbe && circuit.state !== 'closed' ? { ...circuit, probe: null } : circuit;
}

function isOut(probe: Probe, now: number): boolean {
  return probe !== null && now < probe.at + PROBE_LOST_MS;
}

function remember(recent: readonly boolean[], failed: boolean): Extract<Circuit, { state: 'closed' }> {
  return { state: 'closed', recent: [...recent, failed].slice(-CIRCUIT_WINDOW) };
}

function opened(times: number, now: number, random: number): Circuit {
  const ms = Math.min(CIRCUIT_OPEN_MS * 2 ** (times - 1), CIRCUIT_OPEN_MAX_MS);
  return { state: 'open', since: now, until: now + ms * (1 + random / 4), times, probe: null };
}
