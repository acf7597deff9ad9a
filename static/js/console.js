// What every page can do beyond links and forms. Each part stands alone; a page without JavaScript still reads and submits.
import { watchDrawer } from "./drawer.js";
import { watchKeys } from "./keys.js";
import { watchCopying } from "./copy.js";
import { watchMenus } from "./menus.js";
import { watchRows } from "./rows.js";
import { watchTheme } from "./theme.js";
import { keepTimes } from "./times.js";
import "./spark.js";

// A morph must not wipe what somebody is typing. Set here because options inside hx-swap need eval, which the policy forbids.
if (window.Idiomorph) window.Idiomorph.defaults.ignoreActiveValue = true;

watchDrawer();
watchKeys();
watchCopying();
watchMenus();
watchRows();
watchTheme();
keepTimes();
