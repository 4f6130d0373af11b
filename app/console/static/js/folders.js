// Photos of chosen or dropped folders, with the person that each of them shows.

const PHOTO = /\.(jpe?g|png|webp|avif|heic)$/i;

/** The photos of dropped items as {file, path}, folders included. */
export async function droppedPhotos(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return chosenPhotos([...transfer.files]);
  const found = [];
  for (const entry of entries) await collect(entry, "", found);
  return found;
}

/** The photos among chosen files as {file, path}. */
export function chosenPhotos(files) {
  return files.map((file) => ({ file, path: file.webkitRelativePath || file.name })).filter(({ path }) => isPhoto(path));
}

async function collect(entry, above, found) {
  const path = above + entry.name;
  if (entry.isFile) {
    if (isPhoto(path)) found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  while (true) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await collect(one, `${path}/`, found);
  }
}

function isPhoto(path) {
  const name = path.split("/").at(-1);
  return PHOTO.test(name) && !name.startsWith(".");
}

/** Whether the photos are in a folder for each person, as seen from the paths. */
export function hasFolders(photos) {
  return photos.length > 0 && photos.every(({ path }) => path.split("/").length >= 3) ? true : new Set(photos.map(({ path }) => parent(path))).size > 1;
}

/** People in the order of their names: {name, photos}, by folder or by the names of the files. */
export function peopleOf(photos, byFolder) {
  const people = new Map();
  for (const photo of photos) {
    const name = (byFolder ? readable(parent(photo.path)) : fromFile(photo.path)).slice(0, 200);
    if (!name) continue;
    if (!people.has(name)) people.set(name, []);
    people.get(name).push(photo);
  }
  const sorted = [...people].sort(([one], [other]) => one.localeCompare(other));
  return sorted.map(([name, of]) => ({ name, photos: of.sort((one, other) => one.path.localeCompare(other.path)) }));
}

function parent(path) {
  return path.split("/").at(-2) ?? "";
}

function readable(text) {
  return text.replaceAll("_", " ").replace(/\s+/g, " ").trim().normalize("NFC");
}

/** "Ada_Lovelace_0002.jpg" and "Ada Lovelace (2).jpg" show Ada Lovelace. */
function fromFile(path) {
  const base = readable(path.split("/").at(-1).replace(PHOTO, ""));
  return base.replace(/[\s.-]*\(?\d+\)?$/, "").trim() || base;
}

/**
 * An id of the content of a file: its size and a hash of 64 bits. The browser's SHA-256 is missing on
 * pages that are not served over HTTPS; nothing here depends on a hash that resists attacks.
 */
export async function contentId(file) {
  return hash(new Uint8Array(await file.arrayBuffer()));
}

/** An id of some texts together. */
export function textId(...texts) {
  return hash(new TextEncoder().encode(JSON.stringify(texts)));
}

function hash(bytes) {
  let one = 0x811c9dc5;
  let other = 0x9dc5811c;
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    other = Math.imul(other ^ byte, 0x85ebca6b) ^ (other >>> 13);
  }
  const hex = (value) => (value >>> 0).toString(16).padStart(8, "0");
  return `${bytes.length}-${hex(one)}${hex(other)}`;
}
