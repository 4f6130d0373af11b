// People: the people of a gallery.

import { t } from "../i18n.js";
import { pageHeader } from "../widgets.js";

export async function open(root) {
  root.append(pageHeader(t("people.title")));
}
