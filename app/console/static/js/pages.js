// The pages of the console in the order of the navigation. README.md tells how to add one.

export const PAGES = [
  { id: "try", icon: "scan", styles: "css/try.css", load: () => import("./pages/try.js") },
  { id: "people", icon: "people", styles: "css/people.css", load: () => import("./pages/people.js") },
];
