/** A capture as a list of time-tagged pages, so that many starts can be tried without reading it again. */
import { readFileSync } from "node:fs";
import { Framer } from "gnss-ubx";
import { ReceiverStream } from "../../dist/inav/receiver-stream.js";

/**
 * A page and the start of its even half, linear GST seconds.
 * @typedef {{ page: import("../../dist/inav/page.js").InavPage, gst: number }} TimedPage
 */

/** All pages of a capture in the order the pipeline sees them. @param {string} path @returns {TimedPage[]} */
export function timedPages(path) {
  /** @type {TimedPage[]} */
  const pages = [];
  const stream = new ReceiverStream((page, gst) => {
    pages.push({ page, gst });
  });
  const framer = new Framer();
  const sink = {
    ubx: (messageClass, messageId, payload) => {
      stream.message(messageClass, messageId, payload, null);
    },
  };
  framer.push(readFileSync(path), sink);
  framer.end(sink);
  stream.end();
  return pages;
}
