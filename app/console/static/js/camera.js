// The camera: a preview, single photos, and frames at a few a second.

import { el } from "./dom.js";
import { t } from "./i18n.js";

/** Whether this page may use a camera: browsers allow it on HTTPS and on this computer only. */
export function cameraAvailable() {
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

/**
 * Opens the camera. Resolves to {video, photo(), stop()}. It stops by itself when the page is left or the
 * tab is hidden; `stopped` is called then. Rejects with an Error whose message is meant for the user.
 */
export async function openCamera(signal, stopped) {
  let stream;
  try {
    const wanted = { width: { ideal: 1280 }, facingMode: "user" };
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(t(error.name === "NotAllowedError" ? "photos.cameraRefused" : "photos.cameraMissing"));
  }
  const video = el("video", { muted: true, playsinline: true, autoplay: true, "aria-label": t("photos.cameraPicture") });
  const over = new AbortController();
  const stop = () => {
    if (over.signal.aborted) return;
    over.abort();
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    stopped();
  };
  const hide = () => document.hidden && stop();
  document.addEventListener("visibilitychange", hide, { signal: over.signal });
  signal.addEventListener("abort", stop, { signal: over.signal });
  video.srcObject = stream;
  await video.play();
  if (signal.aborted) stop();
  return { video, stop, photo: (longest) => frameOf(video, longest), get running() { return !over.signal.aborted; } };
}

/** The present frame as a JPEG file, reduced to a longest side in pixels. */
function frameOf(video, longest = Infinity) {
  const scale = Math.min(1, longest / Math.max(video.videoWidth, video.videoHeight));
  const canvas = el("canvas", { width: Math.round(video.videoWidth * scale), height: Math.round(video.videoHeight * scale) });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}
