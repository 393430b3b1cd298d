/** @file The channels of a register tile as vectors of four. */

/** One vector of a tile. Lanes below `first` are computed but not stored. */
export interface LaneGroup {
  /** Channel of lane 0, from the vector pointer. */
  readonly channel: number;
  /** First and one past the last lane that belongs to the tile. */
  readonly first: number;
  readonly end: number;
  /** Load the valid lanes one by one, because the bytes after them may lie outside the buffer. */
  readonly partial: boolean;
}

/** The vectors of `channels` channels from the vector pointer on; lanes of a rest are loaded whole, the operand is padded. */
export function laneGroups(channels: number): LaneGroup[] {
  return Array.from({ length: Math.ceil(channels / 4) }, (_, i) => {
    return { channel: 4 * i, first: 0, end: Math.min(4, channels - 4 * i), partial: false };
  });
}

/** Whether all of a vector's lanes are loaded and stored. */
export const isWhole = ({ first, end, partial }: LaneGroup): boolean => first === 0 && end === 4 && !partial;
