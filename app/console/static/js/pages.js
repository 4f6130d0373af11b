// The pages of the console in the order of the navigation. README.md tells how to add one.

export const PAGES = [
  { id: "try", icon: "scan", styles: "css/try.css", load: () => import("./pages/try.js") },
  { id: "people", icon: "people", styles: "css/people.css", load: () => import("./pages/people.js") },
  { id: "bulk", icon: "bulk", styles: "css/bulk.css", load: () => import("./pages/bulk.js") },
  { id: "collections", icon: "layers", styles: "css/collections.css", load: () => import("./pages/collections.js") },
  { id: "words", icon: "words", styles: "css/words.css", load: () => import("./pages/words.js") },
  { id: "system", icon: "system", styles: "css/system.css", load: () => import("./pages/system.js") },
];
