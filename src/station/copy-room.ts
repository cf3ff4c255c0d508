/** Where a private copy of so many bytes can be made: looked at before the first of them is written. Edge: asks file systems. */
import { accessSync, constants, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { OsnmadError } from "../errors.js";

export interface Place {
  readonly folder: string;
  /** Null where there is no such folder, or it may not be written. */
  readonly freeBytes: number | null;
  /** What is written there is kept in memory. */
  readonly isMemory: boolean;
}

/** Kept in memory without a thought. */
const SMALL_BYTES = 64e6;
/** For the index that SQLite keeps, and what others write meanwhile. */
const SPARE_BYTES = 16e6;
/** linux/magic.h: tmpfs, ramfs. */
const MEMORY = [0x01021994, 0x858458f6];

/**
 * $TMPDIR where it is set; else /tmp for small copies, and for large ones what is on a disk rather than in memory. Never
 * beside what is copied: a full disk would stop who writes there. Throws OSN_NO_ROOM.
 */
export function folderWithRoom(bytes: number, what: string, places: readonly Place[] = placesHere()): string {
  const withRoom = places.filter(({ freeBytes }) => freeBytes !== null && freeBytes >= bytes + SPARE_BYTES);
  const chosen = bytes <= SMALL_BYTES ? undefined : withRoom.find(({ isMemory }) => !isMemory);
  const { folder } = chosen ?? withRoom.at(0) ?? { folder: null };
  if (folder !== null) return folder;
  const seen = places
    .map(
      ({ folder: at, freeBytes }) =>
        `${at} ${freeBytes === null ? "cannot be written" : `has ${size(freeBytes, Math.floor)}`}`,
    )
    .join(", ");
  throw new OsnmadError(
    "OSN_NO_ROOM",
    `${what} takes a copy of ${size(bytes + SPARE_BYTES, Math.ceil)}: ${seen}.`,
  );
}

function placesHere(): Place[] {
  const named = process.env["TMPDIR"];
  const folders = named === undefined || named === "" ? [tmpdir(), "/var/tmp"] : [named];
  return [...new Set(folders)].map((folder) => {
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
      const { bavail, bsize, type } = statfsSync(folder);
      return { folder, freeBytes: bavail * bsize, isMemory: MEMORY.includes(type) };
    } catch {
      return { folder, freeBytes: null, isMemory: false };
    }
  });
}

function size(bytes: number, round: (value: number) => number): string {
  return bytes < 1e9 ? `${round(bytes / 1e6)} MB` : `${(round(bytes / 1e8) / 10).toFixed(1)} GB`;
}
