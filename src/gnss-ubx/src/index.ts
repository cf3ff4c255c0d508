export { Framer } from "./framer.js";
export type { FrameSink, FramerCounts, FramerOptions } from "./framer.js";
