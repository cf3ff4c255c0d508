/** Our own solution as a record: the numbers that evidence is checked by, the grade, and why each satellite counts. */
import { ownPositionNumbers } from "../evidence/own-position.js";
import type { GradeRecord, OwnPosition } from "../pipeline/records.js";
import type { AuthenticatedSatellite, AuthenticatedSolution } from "./own-solution.js";

/** Member by member: two spreads into one literal made objects that took several times as long to make and to write. */
export function ownPosition(
  solution: AuthenticatedSolution,
  satellites: readonly AuthenticatedSatellite[],
  { assurance, reasons, notes }: GradeRecord,
): OwnPosition {
  const numbers = ownPositionNumbers(solution);
  return {
    assurance,
    reasons,
    notes,
    latitudeE7: numbers.latitudeE7,
    longitudeE7: numbers.longitudeE7,
    heightMm: numbers.heightMm,
    covarianceMm2: numbers.covarianceMm2,
    velocity: numbers.velocity,
    clockBiasNs: numbers.clockBiasNs,
    clockDriftPpt: numbers.clockDriftPpt,
    dopCenti: numbers.dopCenti,
    raim: numbers.raim,
    raimStatisticMilli: numbers.raimStatisticMilli,
    raimThresholdMilli: numbers.raimThresholdMilli,
    protectionLevelMm: numbers.protectionLevelMm,
    signals: numbers.signals,
    ionosphereFrom: numbers.ionosphereFrom,
    satellites: numbers.satellites.map((entry) => ({
      svid: entry.svid,
      iodNav: entry.iodNav,
      azimuthCdeg: entry.azimuthCdeg,
      elevationCdeg: entry.elevationCdeg,
      residualMm: entry.residualMm,
      sigmaMm: entry.sigmaMm,
      cnoDbHz: entry.cnoDbHz,
      // Every satellite of an authenticated solution came with its evidence: the solver takes no other.
      authenticatedBy: satellites.find(({ svid }) => svid === entry.svid)!.source.evidence,
    })),
    excluded: numbers.excluded,
  };
}
