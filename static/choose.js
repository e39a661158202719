// Choosing rows of a list: the boxes work without this; here are their count, all, none, and a range with Shift.
(function () {
  "use strict";

  const BOX = "input[type='checkbox'][name='chosen']";
  const boxes = () => [...document.querySelectorAll(BOX)];
  let last = ""; // the id of the box that was ticked or cleared last: a range begins there

  function tell() {
    const bar = document.getElementById("chosen-bar");
    if (!bar) return;
    const all = boxes(), n = all.filter((box) => box.checked).length;
    bar.hidden = n === 0;
    const said = bar.querySelector("[data-chosen-words]"), text = bar.dataset.words.replace("{n}", n).replace("{all}", all.length);
    if (n && said.textContent !== text) said.textContent = text;
    const whole = document.querySelector("input[data-choose-all]");
    whole.checked = n === all.length;
    whole.indeterminate = n > 0 && n < all.length;
    all.forEach((box) => box.closest("tr").classList.toggle("is-chosen", box.checked));
  }

  function set(checked) {
    boxes().forEach((box) => { box.checked = checked; });
    tell();
  }

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (box.matches(BOX)) {
      const all = boxes(), from = event.shiftKey ? all.findIndex((one) => one.id === last) : -1, to = all.indexOf(box);
      if (from >= 0) all.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => { one.checked = box.checked; });
      last = box.id;
      tell();
      return;
    }
    const button = box.closest("[data-choose-all], [data-choose-none]");
    if (button) set(button.matches("input") ? button.checked : button.hasAttribute("data-choose-all"));
  });

  // The list follows by itself and the browser fills forms in again: what is ticked stays so, and is counted anew.
  document.addEventListener("DOMContentLoaded", tell);
  document.addEventListener("htmx:afterSettle", tell);
  window.addEventListener("pageshow", tell);
})();
