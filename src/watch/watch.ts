/**
 * The consistency watch (docs/consistency-watch.md, docs/threat-model.md): OSNMA authenticates navigation data,
 * neither ranges nor the place, and a repeated signal passes it. What a repeater or a counterfeit cannot help
 * doing to clock, level, position and time is looked for here, and reported as named signs with their evidence.
 * Pure and synchronous; time comes in as data; memory is bounded.
 */
import type { RawMessage, UbxMessage } from "gnss-ubx";
import { ReceiverClaims, type OwnOsnmaVerdict } from "./claims.js";
import { ClockWatch } from "./clock.js";
import { AgcWatch, Cn0Watch } from "./levels.js";
import { PositionWatch } from "./position.js";
import { SignBook, type Observation, type Sign, type SignEvent } from "./signs.js";
import type { OwnSolution, ReceiverSolution } from "./solutions.js";
import { watchThresholds, type WatchThresholds } from "./thresholds.js";
import { TimeWatch } from "./time.js";

/** A step of GST counts for no more watched time than this, seconds. */
const MAX_WATCHED_STEP = 10;

export interface EpochInput {
  /** Linear GST of the epoch. */
  readonly gst: number;
  readonly own: OwnSolution | null;
  readonly receiver: ReceiverSolution | null;
  /** Satellites with authenticated data in force. */
  readonly authenticatedSatellites: readonly number[];
  /** Our OSNMA verdict; without it the receiver's is held against the satellites alone. */
  readonly osnma?: OwnOsnmaVerdict | null;
  /** GST by a clock independent of the signal, at the arrival of the epoch; left out in replay. */
  readonly trustedGst?: number | null;
}

export interface EpochSigns {
  readonly gst: number;
  /** The signs that stand at this epoch. */
  readonly active: readonly Sign[];
  /** What began and ended with this epoch. */
  readonly events: readonly SignEvent[];
}

export class ConsistencyWatch {
  readonly thresholds: WatchThresholds;
  #claims: ReceiverClaims;
  #clock: ClockWatch;
  #cn0: Cn0Watch;
  #agc: AgcWatch;
  readonly #position: PositionWatch;
  readonly #time: TimeWatch;
  readonly #book: SignBook;
  readonly #observe: (observation: Observation) => void;
  #gst: number | null = null;
  #watchTime = 0;

  /** @throws TypeError, RangeError as `watchThresholds`. */
  constructor(thresholds: Partial<WatchThresholds> = {}) {
    this.thresholds = watchThresholds(thresholds);
    this.#claims = new ReceiverClaims(this.thresholds);
    this.#clock = new ClockWatch(this.thresholds);
    this.#cn0 = new Cn0Watch(this.thresholds);
    this.#agc = new AgcWatch(this.thresholds);
    this.#position = new PositionWatch(this.thresholds);
    this.#time = new TimeWatch(this.thresholds);
    this.#book = new SignBook(this.thresholds);
    this.#observe = (observation) => {
      this.#book.observe(observation);
    };
  }

  /**
   * Another receiver, or the same one started anew: its clock, levels, uptime and claims begin afresh. Signs that stand
   * stay until they expire, and so do the positions and the trusted clock that the next epochs are held against: who
   * restarts a receiver gets rid of neither.
   */
  receiverChanged(): void {
    this.#claims = new ReceiverClaims(this.thresholds);
    this.#clock = new ClockWatch(this.thresholds);
    this.#cn0 = new Cn0Watch(this.thresholds);
    this.#agc = new AgcWatch(this.thresholds);
    this.#time.receiverChanged();
  }

  /** Takes in a message of the receiver. What it says counts with the next epoch; of several the last. */
  receiver(message: UbxMessage | RawMessage): void {
    switch (message.name) {
      case "RXM-RAWX":
        this.#cn0.rawx(message);
        break;
      case "NAV-SIG":
        this.#cn0.navSig(message);
        break;
      case "NAV-SAT":
        this.#cn0.navSat(message);
        break;
      case "MON-RF":
        this.#agc.monRf(message);
        this.#claims.monRf(message);
        break;
      case "NAV-CLOCK":
        this.#clock.navClock(message);
        break;
      case "NAV-STATUS":
        this.#claims.navStatus(message);
        this.#time.navStatus(message);
        break;
      case "SEC-SIG":
        this.#claims.secSig(message);
        break;
      case "SEC-SIGLOG":
        this.#claims.secSigLog(message);
        break;
      case "SEC-OSNMA":
        this.#claims.secOsnma(message);
        break;
      default:
    }
  }

  /**
   * Ends an epoch: compares, and says what stands.
   * @throws TypeError or RangeError for a number that is none or not finite.
   */
  epoch(input: EpochInput): EpochSigns {
    checkInput(input);
    const { gst, own, receiver, authenticatedSatellites } = input;
    const step = this.#gst === null ? 0 : gst - this.#gst;
    const watched = Math.min(Math.max(step, 0), MAX_WATCHED_STEP);
    this.#gst = gst;
    this.#watchTime += watched;
    this.#claims.epoch(watched, input.osnma ?? null, authenticatedSatellites, this.#observe);
    this.#clock.epoch(gst, own, this.#observe);
    this.#cn0.epoch(watched, this.#observe);
    this.#agc.epoch(watched, this.#observe);
    this.#position.epoch(own, receiver, this.#observe);
    this.#time.epoch(gst, input.trustedGst ?? null, this.#observe);
    const events = this.#book.close(gst, this.#watchTime);
    return { gst, active: this.#book.active(), events };
  }
}

/** A NaN would compare as no sign at all: it is refused where it comes in. */
function checkInput(input: EpochInput): void {
  if (typeof input !== "object" || input === null) throw new TypeError("input must be an object");
  const { gst, own, receiver, authenticatedSatellites, trustedGst } = input;
  finite("gst", gst);
  if (!Array.isArray(authenticatedSatellites))
    throw new TypeError("authenticatedSatellites must be an array");
  if (trustedGst !== undefined && trustedGst !== null) finite("trustedGst", trustedGst);
  if (own !== null) {
    finite("own.gst", own.gst);
    const { position, covariance } = own;
    finite("own.position.x", position.x);
    finite("own.position.y", position.y);
    finite("own.position.z", position.z);
    notNegative("own.covariance.ee", covariance.ee);
    notNegative("own.covariance.nn", covariance.nn);
    notNegative("own.covariance.uu", covariance.uu);
    finite("own.covariance.en", covariance.en);
    finite("own.covariance.eu", covariance.eu);
    finite("own.covariance.nu", covariance.nu);
    finite("own.clockBiasSeconds", own.clockBiasSeconds);
    notNegative("own.clockBiasSigmaSeconds", own.clockBiasSigmaSeconds);
    if (own.clockDrift !== null) finite("own.clockDrift", own.clockDrift);
    if (own.clockDriftSigma !== null) notNegative("own.clockDriftSigma", own.clockDriftSigma);
    if (own.velocity !== null) {
      finite("own.velocity.east", own.velocity.east);
      finite("own.velocity.north", own.velocity.north);
      finite("own.velocity.up", own.velocity.up);
      notNegative("own.velocity.sigma", own.velocity.sigma);
    }
  }
  if (receiver !== null) {
    finite("receiver.gst", receiver.gst);
    finite("receiver.position.x", receiver.position.x);
    finite("receiver.position.y", receiver.position.y);
    finite("receiver.position.z", receiver.position.z);
    notNegative("receiver.horizontalSigmaMeters", receiver.horizontalSigmaMeters);
    notNegative("receiver.verticalSigmaMeters", receiver.verticalSigmaMeters);
    if (receiver.velocity !== null) {
      finite("receiver.velocity.east", receiver.velocity.east);
      finite("receiver.velocity.north", receiver.velocity.north);
      finite("receiver.velocity.up", receiver.velocity.up);
      notNegative("receiver.velocity.sigma", receiver.velocity.sigma);
    }
  }
}

function finite(name: string, value: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isFinite(value)) throw new RangeError(`${name} must be finite`);
}

function notNegative(name: string, value: number): void {
  finite(name, value);
  if (value < 0) throw new RangeError(`${name} must not be negative`);
}
