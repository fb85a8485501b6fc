// Keeps a page of the simulator up to date. Without it, a page is right when it is loaded.
"use strict";

(() => {
  const EVERY_MS = 2000;

  // Somebody presses, or marks a text, in what would be replaced.
  const isBusy = (part) => {
    const marked = getSelection();
    return part.matches(":active") || (!marked.isCollapsed && part.contains(marked.anchorNode));
  };

  const replace = (part, fresh) => {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const row = focused?.closest("[id]").id;
    const same = (one) => one.outerHTML === focused.outerHTML;
    part.replaceWith(fresh);
    if (focused) {
      // The same button of the same row, never one that has come to its place.
      const there = [...(document.getElementById(row)?.querySelectorAll(focused.tagName) ?? [])];
      there.find(same)?.focus({ preventScroll: true });
    }
  };

  const follow = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !part.isEqualNode(fresh) && !isBusy(part)) replace(part, fresh);
    }
  };

  // One at a time. A simulator that is stopped may be started again.
  const keepFollowing = () => {
    follow().catch(() => {}).finally(() => setTimeout(keepFollowing, EVERY_MS));
  };
  if (document.querySelector("[data-live]")) setTimeout(keepFollowing, EVERY_MS);

  for (const form of document.querySelectorAll("[data-submits]")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.querySelector("button").hidden = true;
  }

  for (const select of document.querySelectorAll("[data-explains]")) {
    const sentence = document.getElementById(select.dataset.explains);
    const explain = () => {
      sentence.textContent = select.selectedOptions[0]?.dataset.text ?? "";
    };
    select.addEventListener("change", explain);
    explain();
  }
})();
