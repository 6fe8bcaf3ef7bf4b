// The page's part `#live` as the server has it now, every two seconds, as long as something in it is under way.
// Nothing is replaced under somebody's hands: neither what has the focus, nor while something in it is unfolded.
"use strict";

const EVERY_MS = 2000;

async function look() {
  const part = document.getElementById("live");
  if (!part || !("busy" in part.dataset)) return;
  const held = part.contains(document.activeElement) || part.querySelector("details[open]");
  if (!document.hidden && !held) {
    try {
      const reply = await fetch(location.href, { credentials: "same-origin" });
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("live");
      // Signed out, or refused: the page stays as it is, and the next click tells.
      if (!reply.ok || !fresh) return;
      if (!part.contains(document.activeElement)) part.replaceWith(document.adoptNode(fresh));
    } catch {
      // The service is away: the next look may find it again.
    }
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
