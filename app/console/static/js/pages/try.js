// Try it: detect, identify, verify and enroll with photos from a file, the clipboard or the camera.

import { t } from "../i18n.js";
import { pageHeader } from "../widgets.js";

export async function open(root) {
  root.append(pageHeader(t("try.title")));
}
