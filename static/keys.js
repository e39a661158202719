// Keys. Each does what a visible link or button does too; "?" shows them, and there they can be switched off (WCAG 2.1.4).
(function () {
  "use strict";

  const OFF = "keys-off", AFTER_G = 1500;
  const ROWS = "main tbody tr, main .list-group-item, main .story > li";
  const EVIDENCE = "details.evidence-links > summary";
  const part = (key) => document.querySelector("[data-key='" + key + "']");
  let leading = 0, quiet = 0; // when g was pressed; when the words below go away

  // ---- saying what happened, also to a screen reader

  function say(text) {
    const told = document.getElementById("told");
    if (!told) return;
    told.textContent = text;
    clearTimeout(quiet);
    quiet = setTimeout(() => { told.textContent = ""; }, 4000);
  }
  const words = (name) => { const box = document.getElementById("keys"); return box ? box.dataset[name] : ""; };
  const nothing = () => say(words("nothing"));

  // ---- what the keys do

  function box() {
    const found = part("/");
    if (!found) return nothing();
    found.focus();
    found.select();
  }

  function move(step) {
    const all = [...document.querySelectorAll(ROWS)].map((row) => row.querySelector("a[href], summary")).filter((node) => node && node.offsetParent);
    if (!all.length) return nothing();
    const here = all.findIndex((node) => node.closest(ROWS).contains(document.activeElement));
    const first = Math.max(all.findIndex((node) => node.getBoundingClientRect().top >= 0), 0);
    const next = here < 0 ? first : Math.min(Math.max(here + step, 0), all.length - 1);
    all[next].focus();
  }

  function evidence() {
    const row = document.activeElement.closest(ROWS);
    const found = (row && row.querySelector(EVIDENCE)) || [...document.querySelectorAll(EVIDENCE)].pop();
    if (!found) return nothing();
    found.focus();
    found.click();
  }

  function copy(text) {
    const button = document.createElement("button");
    button.className = "visually-hidden";
    button.dataset.copy = text;
    document.body.append(button);
    button.click(); // app.js copies
    setTimeout(() => button.remove(), 2000);
    say(words("copied") + " " + text);
  }
  function copyId() {
    const link = document.activeElement.closest("main a[href]"), found = part("c");
    const row = link && /^\/(?:messages|batches|recipients|accounts|people)\/([^/~][^/]*)\/$/.exec(link.pathname);
    if (row) copy(row[1]);
    else if (found) copy(found.dataset.copy);
    else nothing();
  }
  // Of the row with the focus, else of this page.
  function copyLink() {
    const link = document.activeElement.closest("main a[href]");
    copy(link ? link.href : location.href);
  }
  function copyWords() {
    const found = part("w");
    if (found) copy(found.dataset.copy); else nothing();
  }

  function sendAgain() {
    const found = part("r");
    if (!found) return nothing();
    if (found.href) { location.assign(found.href); return; }
    const why = document.getElementById(found.getAttribute("aria-describedby"));
    say(why ? why.textContent.trim().replace(/\s+/g, " ") : words("nothing"));
  }

  function pause() {
    const found = part(".");
    if (!found || found.hidden) return nothing();
    found.click();
    say(words(document.documentElement.hasAttribute("data-paused") ? "paused" : "resumed"));
  }

  function cycle(name) {
    const all = [...document.querySelectorAll("button[name='" + name + "']")];
    if (!all.length) return nothing();
    const next = all[(all.findIndex((button) => button.getAttribute("aria-pressed") === "true") + 1) % all.length];
    next.form.requestSubmit(next);
  }

  function openBeside() {
    const link = document.activeElement.closest("main a[href]");
    if (link) window.open(link.href, "_blank", "noopener"); else nothing();
  }

  function filters() {
    const found = document.querySelector("form.filters :is(input:not([type='hidden']), select)");
    if (found) found.focus(); else nothing();
  }

  function go(key) {
    const link = document.querySelector("[data-go='" + key + "']");
    if (link) link.click(); else nothing();
  }

  function show() {
    const dialog = document.getElementById("keys");
    if (!dialog || dialog.open) return;
    const choice = dialog.querySelector("[data-keys-on]");
    choice.checked = !isOff();
    dialog.showModal();
  }

  // Tick the row with the focus, else the first; with Shift all rows from the one before.
  function choose(withShift) {
    const row = document.activeElement.closest(ROWS) || document.querySelector("main tbody tr");
    const found = row && row.querySelector("input[type='checkbox'][name='chosen']");
    if (!found) return nothing();
    found.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: withShift }));
    if (!row.contains(document.activeElement)) found.focus();
  }

  const KEYS = {
    "/": box, "?": show, j: () => move(1), k: () => move(-1), x: () => choose(false), X: () => choose(true), e: evidence, c: copyId, C: copyLink, w: copyWords, r: sendAgain, o: openBeside, f: filters,
    ".": pause, z: () => cycle("zone"), t: () => cycle("theme"), g: () => { leading = Date.now(); },
  };

  // ---- listening

  function isOff() {
    try { return localStorage.getItem(OFF) === "1"; } catch { return false; }
  }
  const isTyping = (node) => Boolean(node.closest && node.closest("input:not([type='checkbox']), textarea, select, [contenteditable], dialog[open]"));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.shiftKey && /^[a-z]$/.test(event.key)) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") || isOff()) return;
    const second = Date.now() - leading < AFTER_G;
    leading = 0;
    if (second && /^[a-z]$/.test(event.key)) { event.preventDefault(); go(event.key); return; }
    const does = Object.prototype.hasOwnProperty.call(KEYS, event.key) && KEYS[event.key];
    if (!does || (event.repeat && event.key !== "j" && event.key !== "k")) return;
    event.preventDefault();
    does();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-keys-show]") || !document.getElementById("keys")) return;
    event.preventDefault();
    show();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-keys-on]")) return;
    try { localStorage.setItem(OFF, event.target.checked ? "0" : "1"); } catch { /* then they stay on */ }
  });
})();
