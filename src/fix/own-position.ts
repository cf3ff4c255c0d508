/** Our own solution as a record: the numbers that evidence is checked by, the grade, and why each satellite counts. */
import { ownPositionNumbers } from "../evidence/own-position.js";
import type { GradeRecord, OwnPosition } from "../pipeline/records.js";
import type { AuthenticatedSatellite, AuthenticatedSolution } from "./own-solution.js";

export function ownPosition(
  solution: AuthenticatedSolution,
  satellites: readonly AuthenticatedSatellite[],
  grade: GradeRecord,
): OwnPosition {
  const numbers = ownPositionNumbers(solution);
  return {
    ...grade,
    ...numbers,
    satellites: numbers.satellites.map((entry) => ({
      ...entry,
      // Every satellite of an authenticated solution came with its evidence: the solver takes no other.
      authenticatedBy: satellites.find(({ svid }) => svid === entry.svid)!.source.evidence,
    })),
  };
}
