/** Our own solution as a record: integers only, each rounded once (docs/output.md). */
import type { EnuCovariance } from "../position/solver.js";
import type { AuthenticatedSolution, AuthenticatedSatellite } from "./own-solution.js";
import type { CovarianceRecord, GradeRecord, OwnPosition, UsedSatelliteRecord } from "../pipeline/records.js";

const DEG = 180 / Math.PI;
/** Metres squared, or (m/s) squared, to their thousandths. */
const MILLI_SQUARE = 1e6;

/** Rounds to an integer, and never to -0. */
function whole(value: number): number {
  return Math.round(value) + 0;
}

function covariance(matrix: EnuCovariance): CovarianceRecord {
  const { ee, en, eu, nn, nu, uu } = matrix;
  return {
    ee: whole(ee * MILLI_SQUARE),
    en: whole(en * MILLI_SQUARE),
    eu: whole(eu * MILLI_SQUARE),
    nn: whole(nn * MILLI_SQUARE),
    nu: whole(nu * MILLI_SQUARE),
    uu: whole(uu * MILLI_SQUARE),
  };
}

export function ownPosition(
  solution: AuthenticatedSolution,
  satellites: readonly AuthenticatedSatellite[],
  grade: GradeRecord,
): OwnPosition {
  const { geodetic, velocity, dop, raim, protection } = solution;
  const used: UsedSatelliteRecord[] = solution.used.map((entry) => ({
    svid: entry.svid,
    iodNav: entry.iodNav,
    azimuthCdeg: whole(entry.azimuthRad * DEG * 100),
    elevationCdeg: whole(entry.elevationRad * DEG * 100),
    residualMm: whole(entry.residualMeters * 1000),
    sigmaMm: whole(entry.sigmaMeters * 1000),
    cnoDbHz: entry.cnoDbHz,
    // Every satellite of an authenticated solution came with its evidence: the solver takes no other.
    authenticatedBy: satellites.find(({ svid }) => svid === entry.svid)!.source.evidence,
  }));
  return {
    ...grade,
    latitudeE7: whole(geodetic.latitudeRad * DEG * 1e7),
    longitudeE7: whole(geodetic.longitudeRad * DEG * 1e7),
    heightMm: whole(geodetic.heightMeters * 1000),
    covarianceMm2: covariance(solution.covariance),
    velocity:
      velocity === null
        ? null
        : {
            northMmS: whole(velocity.north * 1000),
            eastMmS: whole(velocity.east * 1000),
            downMmS: whole(-velocity.up * 1000),
            covarianceMm2S2: covariance(velocity.covariance),
          },
    clockBiasNs: whole(solution.clockBiasSeconds * 1e9),
    clockDriftPpt: solution.clockDrift === null ? null : whole(solution.clockDrift * 1e12),
    dopCenti: {
      gdop: whole(dop.gdop * 100),
      pdop: whole(dop.pdop * 100),
      hdop: whole(dop.hdop * 100),
      vdop: whole(dop.vdop * 100),
      tdop: whole(dop.tdop * 100),
    },
    raim: raim.status,
    raimStatisticMilli: raim.statistic === null ? null : whole(raim.statistic * 1000),
    raimThresholdMilli: raim.threshold === null ? null : whole(raim.threshold * 1000),
    protectionLevelMm:
      protection === null
        ? null
        : {
            horizontal: whole(protection.horizontalMeters * 1000),
            vertical: whole(protection.verticalMeters * 1000),
          },
    signals: solution.signals,
    ionosphereFrom: solution.ionosphereFrom,
    satellites: used,
    excluded: solution.rejected.map(({ svid, reason }) => ({ svid, reason })),
  };
}
