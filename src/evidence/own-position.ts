/**
 * A solution in the integers of a fix record. The fix stage writes records with it and the verifier computes them
 * again with it, so that both round alike.
 * Units: docs/evidence.md and src/pipeline/records.ts (1e-7 degree, mm, mm^2, ns, hundredths, thousandths).
 */
import type { CovarianceRecord, GradeRecord, OwnPosition, UsedSatelliteRecord } from "../pipeline/records.js";
import type { EnuCovariance, Solution } from "../position/solver.js";

/** `OwnPosition` without what a grade or the evidence adds. */
export type OwnPositionNumbers = Omit<OwnPosition, keyof GradeRecord | "satellites"> & {
  readonly satellites: readonly Omit<UsedSatelliteRecord, "authenticatedBy">[];
};

const DEGREES = 180 / Math.PI;

/** To the nearest integer; no negative zero, which JSON would not carry. */
function integer(value: number): number {
  return Math.round(value) + 0;
}

function covariance(of: EnuCovariance): CovarianceRecord {
  const mm2 = (value: number): number => integer(value * 1e6);
  return {
    ee: mm2(of.ee),
    en: mm2(of.en),
    eu: mm2(of.eu),
    nn: mm2(of.nn),
    nu: mm2(of.nu),
    uu: mm2(of.uu),
  };
}

export function ownPositionNumbers(solution: Solution): OwnPositionNumbers {
  const { geodetic, velocity, dop, raim, protection, clockDrift } = solution;
  return {
    latitudeE7: integer(geodetic.latitudeRad * DEGREES * 1e7),
    longitudeE7: integer(geodetic.longitudeRad * DEGREES * 1e7),
    heightMm: integer(geodetic.heightMeters * 1e3),
    covarianceMm2: covariance(solution.covariance),
    velocity:
      velocity === null
        ? null
        : {
            northMmS: integer(velocity.north * 1e3),
            eastMmS: integer(velocity.east * 1e3),
            downMmS: integer(-velocity.up * 1e3),
            covarianceMm2S2: covariance(velocity.covariance),
          },
    clockBiasNs: integer(solution.clockBiasSeconds * 1e9),
    clockDriftPpt: clockDrift === null ? null : integer(clockDrift * 1e12),
    dopCenti: {
      gdop: integer(dop.gdop * 100),
      pdop: integer(dop.pdop * 100),
      hdop: integer(dop.hdop * 100),
      vdop: integer(dop.vdop * 100),
      tdop: integer(dop.tdop * 100),
    },
    raim: raim.status,
    raimStatisticMilli: raim.statistic === null ? null : integer(raim.statistic * 1e3),
    raimThresholdMilli: raim.threshold === null ? null : integer(raim.threshold * 1e3),
    protectionLevelMm:
      protection === null
        ? null
        : {
            horizontal: integer(protection.horizontalMeters * 1e3),
            vertical: integer(protection.verticalMeters * 1e3),
          },
    signals: solution.signals,
    ionosphereFrom: solution.ionosphereFrom,
    satellites: solution.used.map((used) => ({
      svid: used.svid,
      iodNav: used.iodNav,
      azimuthCdeg: integer(used.azimuthRad * DEGREES * 100),
      elevationCdeg: integer(used.elevationRad * DEGREES * 100),
      residualMm: integer(used.residualMeters * 1e3),
      sigmaMm: integer(used.sigmaMeters * 1e3),
      cnoDbHz: integer(used.cnoDbHz),
    })),
    excluded: solution.rejected.map(({ svid, reason }) => ({ svid, reason })),
  };
}
