// Line icons, 24 by 24, drawn with the colour of the text.

import { svg } from "./dom.js";

const PATHS = {
  scan: "M4 8V6a2 2 0 0 1 2-2h2M16 4h2a2 2 0 0 1 2 2v2M20 16v2a2 2 0 0 1-2 2h-2M8 20H6a2 2 0 0 1-2-2v-2M9 10h.01M15 10h.01M9 14.500c2 1.500 4 1.500 6 0",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c.4-4 3-6 6.500-6s6.100 2 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .8 3.200 2.600 3.500 5.500",
  bulk: "M3 7a2 2 0 0 1 2-2h4l2 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM12 16v-5M9.500 13.500 12 11l2.500 2.500",
  layers: "M12 3 3 8l9 5 9-5zM3 12l9 5 9-5M3 16l9 5 9-5",
  words: "M4 6h10M4 11h7M4 16h5M17.500 20l3-8h1M13 20l4-11 4 11M14.500 16h5",
  system: "M4 5h16v6H4zM4 13h16v6H4zM7.500 8h.01M7.500 16h.01M12 8h5M12 16h5",
  book: "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11M9 8h6",
  key: "M14.500 9.500a4 4 0 1 1-1.200-2.800 4 4 0 0 1 1.200 2.800zM13.300 12.300 20 19M17 16l2-2",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 16.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
  upload: "M12 16V5M7.500 9 12 4.500 16.500 9M4 15v4h16v-4",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1 1M17.400 17.400l1 1M5.600 18.400l1-1M17.400 6.600l1-1",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
  search: "M11 17a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM15.500 15.500 20 20",
  close: "M6 6l12 12M18 6 6 18",
};

/** An icon that screen readers skip; the control that has it needs a label. */
export function icon(name, size = 20) {
  const line = svg("path", { d: PATHS[name] });
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" }, line);
}
