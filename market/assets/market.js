// What makes the pages live. Without it all can be read and done; with it forms answer in place, and lists follow what others do.
import { forms } from "./forms.js";
import { follow, watch } from "./live.js";

forms();
const list = document.querySelector("#items");
const item = document.querySelector("#item");
if (list) follow(list);
if (item) watch(item);
