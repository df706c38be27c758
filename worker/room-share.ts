import type { Place, Room } from './room.ts';

/** What one request holds of a room. */
export interface RoomShare {
  /** Waits for room where nothing is held yet; throws what {@link Room} throws. Bytes below zero are given back. */
  readonly take: (bytes: number) => Promise<void>;
  /** From here on a new share; gives what ends the one before. */
  readonly detach: () => () => void;
}

/** @param signal aborted when the request is over. */
export function shareRoom(room: Room, signal: AbortSignal): RoomShare {
  let place: Promise<Place> | null = null;
  let held = 0;
  return {
    async take(bytes) {
      held = Math.max(0, held + bytes);
      if (place !== null || held > 0) {
        place ??= room.enter(held, signal);
        (await place).resize(held);
      }
    },
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
