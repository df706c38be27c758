import type { Place, Room } from './room.ts';

/** What one request holds of a room. */
export interface RoomShare {
  /** Waits for room where nothing is held yet; throws what {@link Room} throws. Bytes below zero are given back. */
  readonly take: (bytes: number) => Promise<void>;
  /** The same without waiting. */
  readonly takeNow: (bytes: number) => Promise<void>;
  /** Whether anything is held, or waited for. */
  readonly isHeld: () => boolean;
  /** From here on a new share; gives what ends the one before. */
  readonly detach: () => () => void;
}

/** @param signal aborted when the request is over. */
export function shareRoom(room: Room, signal: AbortSignal): RoomShare {
  let place: Promise<Place> | null = null;
  let held = 0;

  async function hold(bytes: number, enter: (bytes: number) => Promise<Place>): Promise<void> {
    held = Math.max(0, held + bytes);
    if (place !== null || held > 0) {
      place ??= enter(held);
      (await place).resize(held);
    }
  }

  return {
    take: (bytes) => hold(bytes, (all) => room.enter(all, signal)),
    takeNow: (bytes) => hold(bytes, async (all) => room.enterNow(all)),
    isHeld: () => place !== null,
    detach() {
      const before = place;
      place = null;
      held = 0;
      return () =>
        void before?.then(
          ({ leave }) => leave(),
          () => undefined,
        );
    },
  };
}

/** Runs something that takes of a room, and leaves when that has ended. */
export async function withShare<Result>(
  room: Room,
  signal: AbortSignal,
  run: (share: RoomShare) => Promise<Result>,
): Promise<Result> {
  const share = shareRoom(room, signal);
  try {
    return await run(share);
  } finally {
    share.detach()();
  }
}
