/**
 * Positions: our own against the receiver's within their joint uncertainty, and each against its own past, for
 * ways no vehicle makes.
 */
import { ecefToGeodetic, enuOf, type Ecef } from "../ephemeris/geometry.js";
import { horizontal, type OwnSolution, type ReceiverSolution, type Velocity } from "./solutions.js";
import type { Observation, Observe } from "./signs.js";
import type { WatchThresholds } from "./thresholds.js";

interface Place {
  readonly gst: number;
  readonly position: Ecef;
  readonly horizontalSigma: number;
  readonly verticalSigma: number;
  readonly velocity: Velocity | null;
}

export class PositionWatch {
  readonly #thresholds: WatchThresholds;
  #own: Place | null = null;
  #receiver: Place | null = null;

  constructor(thresholds: WatchThresholds) {
    this.#thresholds = thresholds;
  }

  epoch(own: OwnSolution | null, receiver: ReceiverSolution | null, observe: Observe): void {
    if (own !== null) {
      const { ee, nn, uu, en } = own.covariance;
      const place: Place = {
        gst: own.gst,
        position: own.position,
        horizontalSigma: Math.sqrt(largerEigenvalue(ee, nn, en)),
        verticalSigma: Math.sqrt(uu),
        velocity: own.velocity,
      };
      this.#jump("own", this.#own, place, observe);
      this.#own = place;
    }
    if (receiver !== null) {
      const place: Place = {
        gst: receiver.gst,
        position: receiver.position,
        horizontalSigma: receiver.horizontalSigmaMeters,
        verticalSigma: receiver.verticalSigmaMeters,
        velocity: receiver.velocity,
      };
      this.#jump("receiver", this.#receiver, place, observe);
      this.#receiver = place;
    }
    if (own === null || receiver === null) return;
    for (const observation of ownAgainstReceiver(own, receiver, this.#thresholds)) observe(observation);
  }

  #jump(subject: "own" | "receiver", before: Place | null, now: Place, observe: Observe): void {
    const limits = this.#thresholds;
    if (now.velocity !== null) {
      const { east, north, up, sigma } = now.velocity;
      observe({
        name: "position-jump",
        subject,
        quantity: "speed-meters-per-second",
        value: Math.hypot(east, north, up),
        threshold: limits.maximumSpeed + limits.positionSigmas * sigma,
        evidence: { kind: "speed", east, north, up },
      });
    }
    if (before === null) return;
    const seconds = now.gst - before.gst;
    if (!(seconds > 0)) return;
    const way = enuOf(before.position, now.position);
    let { eastMeters, northMeters, upMeters } = way;
    let reach = limits.maximumSpeed * seconds;
    let velocitySigma = 0;
    const predicted =
      before.velocity !== null && now.velocity !== null && seconds <= limits.positionPredictionSeconds;
    if (predicted) {
      eastMeters -= 0.5 * (before.velocity!.east + now.velocity!.east) * seconds;
      northMeters -= 0.5 * (before.velocity!.north + now.velocity!.north) * seconds;
      upMeters -= 0.5 * (before.velocity!.up + now.velocity!.up) * seconds;
      reach = 0.5 * limits.maximumAcceleration * seconds * seconds;
      velocitySigma = 0.5 * Math.hypot(before.velocity!.sigma, now.velocity!.sigma) * seconds;
    }
    const evidence = {
      kind: predicted ? "against-velocity" : "against-speed-limit",
      seconds,
      eastMeters: way.eastMeters,
      northMeters: way.northMeters,
      upMeters: way.upMeters,
    };
    observe({
      name: "position-jump",
      subject,
      quantity: "horizontal-meters",
      value: horizontal({ eastMeters, northMeters, upMeters }),
      threshold:
        reach +
        Math.max(
          limits.positionFloorMeters,
          limits.positionSigmas * Math.hypot(before.horizontalSigma, now.horizontalSigma, velocitySigma),
        ),
      evidence,
    });
    observe({
      name: "position-jump",
      subject,
      quantity: "vertical-meters",
      value: Math.abs(upMeters),
      threshold:
        reach +
        Math.max(
          limits.positionFloorMeters,
          limits.positionSigmas * Math.hypot(before.verticalSigma, now.verticalSigma, velocitySigma),
        ),
      evidence,
    });
  }
}

/**
 * How far the two positions of an epoch are apart, against what their uncertainties allow; empty where they are of
 * different epochs. No state: who has both can judge them again.
 */
export function ownAgainstReceiver(
  own: OwnSolution,
  receiver: ReceiverSolution,
  limits: WatchThresholds,
): readonly Observation[] {
  const seconds = receiver.gst - own.gst;
  if (Math.abs(seconds) > limits.comparedWithinSeconds) return [];
  const at = ecefToGeodetic(own.position);
  const apart = enuOf(own.position, receiver.position, at);
  // Both at the receiver's instant: by whichever velocity there is.
  const velocity = own.velocity ?? receiver.velocity;
  const east = apart.eastMeters - (velocity?.east ?? 0) * seconds;
  const north = apart.northMeters - (velocity?.north ?? 0) * seconds;
  const up = apart.upMeters - (velocity?.up ?? 0) * seconds;

  // Joint covariance of the two; the receiver tells one figure for the horizontal plane.
  const variance = receiver.horizontalSigmaMeters * receiver.horizontalSigmaMeters;
  const ee = own.covariance.ee + variance;
  const nn = own.covariance.nn + variance;
  const { en } = own.covariance;
  const determinant = ee * nn - en * en;
  const distance = Math.hypot(east, north);
  // Distance in standard deviations along its own direction. Without any variance the floor alone counts.
  const sigmas =
    determinant > 0
      ? Math.sqrt((nn * east * east - 2 * en * east * north + ee * north * north) / determinant)
      : Infinity;
  const sigma = sigmas > 0 && Number.isFinite(sigmas) ? distance / sigmas : 0;
  const verticalSigma = Math.sqrt(
    own.covariance.uu + receiver.verticalSigmaMeters * receiver.verticalSigmaMeters,
  );
  return [
    {
      name: "own-and-receiver-disagree",
      subject: "both",
      quantity: "horizontal-meters",
      value: distance,
      threshold: Math.max(limits.disagreeHorizontalFloorMeters, limits.disagreeSigmas * sigma),
      evidence: { eastMeters: east, northMeters: north, upMeters: up, jointSigmaMeters: sigma },
    },
    {
      name: "own-and-receiver-disagree",
      subject: "both",
      quantity: "vertical-meters",
      value: Math.abs(up),
      threshold: Math.max(limits.disagreeVerticalFloorMeters, limits.disagreeSigmas * verticalSigma),
      evidence: { eastMeters: east, northMeters: north, upMeters: up, jointSigmaMeters: verticalSigma },
    },
  ];
}

/** Of a symmetric 2 by 2 matrix. */
function largerEigenvalue(a: number, d: number, b: number): number {
  return 0.5 * (a + d) + Math.hypot(0.5 * (a - d), b);
}
