// Aftersend's own script: small helps on pages that work without it. Listeners only; CSP allows nothing inline.
(function () {
  "use strict";

  // ---- colours, before the first paint

  const root = document.documentElement;
  root.classList.remove("no-js");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    if (root.dataset.theme === "auto") root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  }
  paint();
  dark.addEventListener("change", paint);

  // ---- the server shows times in the browser's zone, where that is wanted: it needs the zone's name

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  if (/^[\w+\-/]{1,64}$/.test(zone) && !document.cookie.split("; ").includes("browser_zone=" + zone)) {
    document.cookie = "browser_zone=" + zone + "; path=/; max-age=31536000; samesite=lax" + (location.protocol === "https:" ? "; secure" : "");
  }

  // ---- telling what went wrong

  function toast(text, again) {
    const box = document.getElementById("toasts");
    if (!box) return;
    while (box.children.length > 2) box.firstChild.remove();
    const note = document.createElement("div");
    note.className = "toast-note";
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = box.dataset.close;
    close.addEventListener("click", () => note.remove());
    note.append(words);
    if (again) {
      const retry = document.createElement("button");
      retry.type = "button";
      retry.textContent = box.dataset.again;
      retry.addEventListener("click", () => { note.remove(); again(); });
      note.append(retry);
    }
    note.append(close);
    box.append(note);
  }

  // words are the server's, in its language
  const say = (name) => (document.getElementById("toasts") || document.body).dataset[name] || "";
  const LIVE = "[hx-trigger*='every ']";
  const isLive = (detail) => Boolean(detail.elt && detail.elt.matches && detail.elt.matches(LIVE));
  // Reading may be tried again with one click; what was changed, perhaps, may not.
  function again(detail) {
    const config = detail.requestConfig || {}, path = (detail.pathInfo || {}).requestPath;
    return config.verb === "get" && path ? () => window.htmx.ajax("GET", path, { source: detail.elt, target: detail.target }) : null;
  }
  let missed = 0; // refreshes in a row that did not come through

  document.addEventListener("htmx:responseError", (event) => {
    const xhr = event.detail.xhr;
    if (xhr.status === 401 && xhr.getResponseHeader("HX-Redirect")) return; // on the way to the sign-in page
    const plain = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    const said = plain && xhr.responseText.length < 400 ? xhr.responseText : say("error") + " " + xhr.status;
    if (isLive(event.detail)) { if (++missed === 3) toast(say("stale") + " " + said); return; }
    toast(said, again(event.detail));
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (isLive(event.detail)) { if (++missed === 3) toast(say("old")); return; }
    const reading = (event.detail.requestConfig || {}).verb === "get";
    toast(say("away") + " " + say(reading ? "unchanged" : "unsure"), again(event.detail));
  });
  document.addEventListener("htmx:afterOnLoad", (event) => { if (isLive(event.detail)) missed = 0; });

  // ---- pages that follow by themselves: not while nobody looks, and without closing what was opened

  const isPaused = () => root.hasAttribute("data-paused");
  function catchUp() {
    if (!document.hidden && !isPaused() && window.htmx) document.querySelectorAll(LIVE).forEach((part) => window.htmx.trigger(part, "resume"));
  }
  document.addEventListener("htmx:beforeRequest", (event) => {
    if ((document.hidden || isPaused()) && isLive(event.detail)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", catchUp);

  // the button is there as long as something follows
  function offerPause() {
    const button = document.getElementById("live-pause");
    if (button) button.hidden = !document.querySelector(LIVE);
  }
  document.addEventListener("DOMContentLoaded", offerPause);
  document.addEventListener("htmx:afterSettle", offerPause);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#live-pause");
    if (!button) return;
    const label = button.querySelector("[data-label]"), before = label.textContent;
    root.toggleAttribute("data-paused");
    label.textContent = button.dataset.other;
    button.dataset.other = before;
    catchUp();
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (!window.Idiomorph) return;
    window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS") && name !== "checked";
    window.Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !(old.nodeType === 1 && old.hasAttribute("data-loaded"));
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target && target.hasAttribute("data-keep")) target.setAttribute("data-loaded", "");
  });

  // on a narrow screen the tab of this page may be out of sight
  document.addEventListener("DOMContentLoaded", () => {
    const here = document.querySelector(".topbar-nav [aria-current]");
    if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
  });

  // ---- ages tick

  function age(then) {
    const delta = Math.round((Date.now() - then) / 1000), size = Math.abs(delta);
    const words = document.body.dataset;
    if (size < 1) return words.now;
    const [unit, name] = [[86400, words.days], [3600, words.hours], [60, words.minutes], [1, words.seconds]].find(([unit]) => size >= unit);
    const said = Math.floor(size / unit) + " " + name;
    return (delta > 0 ? words.ago : words.in).replace("{}", said);
  }
  setInterval(() => {
    if (!document.hidden) document.querySelectorAll("time.ago").forEach((node) => {
      const text = age(Date.parse(node.dateTime));
      if (node.textContent !== text) node.textContent = text;
    });
  }, 5000);

  // ---- copying; on plain HTTP the clipboard API does not exist

  function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const before = document.activeElement, area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before) before.focus();
    return done ? Promise.resolve() : Promise.reject(new Error("copy"));
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) {
      document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
      return;
    }
    const label = button.querySelector("[data-label]") || button, before = label.textContent;
    copy(button.dataset.copy).then(() => { label.textContent = say("copied"); }, () => { label.textContent = say("byHand"); })
      .then(() => setTimeout(() => { label.textContent = before; }, 1500));
  });

  // ---- filters are suggested for the word being typed, whatever stands before it

  document.addEventListener("input", (event) => {
    const box = event.target, list = box.list;
    if (!list || !list.hasAttribute("data-words")) return;
    const before = box.value.slice(0, box.value.lastIndexOf(" ") + 1);
    for (const option of list.options) {
      option.dataset.word = option.dataset.word || option.value;
      option.label = option.dataset.word;
      option.value = before + option.dataset.word;
    }
  });

  // ---- Escape closes a menu; the keys are in keys.js

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
  });

  // ---- a choice about the page leads back to the page as it is now

  document.addEventListener("submit", (event) => {
    const next = event.target.querySelector("[name='next'][data-here]");
    if (next) next.value = location.pathname + location.search;
  });

  // ---- a form is sent once

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
  // ---- and shows that it is waited for; what htmx sends is marked by it

  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && event.submitter) event.submitter.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
    document.querySelectorAll("button[aria-busy]").forEach((button) => { button.removeAttribute("aria-busy"); });
  });
})();
