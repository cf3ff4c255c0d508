/** A solution of the solver as the watch takes it: for whoever made it, and for who judges it again from evidence. */
import { SPEED_OF_LIGHT } from "../ephemeris/constants.js";
import { gstOf } from "../inav/gst.js";
import type { Solution } from "../position/solver.js";
import type { OwnSolution } from "./solutions.js";

export function watchedSolution(solution: Solution): OwnSolution {
  const { velocity } = solution;
  return {
    gst: gstOf(solution.wn, solution.towSeconds),
    position: solution.ecef,
    covariance: solution.covariance,
    clockBiasSeconds: solution.clockBiasSeconds,
    clockBiasSigmaSeconds: solution.clockBiasSigmaSeconds,
    clockDrift: solution.clockDrift,
    clockDriftSigma: velocity === null ? null : Math.sqrt(velocity.covariance.uu) / SPEED_OF_LIGHT,
    velocity:
      velocity === null
        ? null
        : {
            east: velocity.east,
            north: velocity.north,
            up: velocity.up,
            sigma: Math.sqrt(
              Math.max(velocity.covariance.ee, velocity.covariance.nn, velocity.covariance.uu),
            ),
          },
    raim: solution.raim.status,
  };
}
