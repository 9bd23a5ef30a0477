// A page for inbox.js: it draws what it is told, and asks for tokens by a form.

import { Inbox, UNREAD_CAP } from "./inbox.js";

const $ = (id) => document.getElementById(id);
const given = new URLSearchParams(location.hash.slice(1)); // servers never see a fragment
const nodes = new Map(); // by item id
const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let inbox;

// What is on the screen has been seen. A tab in the background observes nothing.
const screen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      screen.unobserve(target);
      inbox.mark(target.dataset.id, "seen").catch(() => {}); // the next visit tries again
    }
  },
  { threshold: 0.6 },
);

/** The address of a link, or null: whoever writes an item shall not run code in this page. */
function safe(text) {
  try {
    const url = new URL(text, document.baseURI);
    return text && ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function create(item) {
  const node = $("item").content.firstElementChild.cloneNode(true);
  const part = (name) => node.querySelector(`.${name}`);
  const href = safe(item.url);
  // Only ever as text: an item may hold anything.
  part("title").textContent = item.title;
  part("body").textContent = item.body;
  part("when").textContent = time.format(new Date(item.stored_at));
  part("when").dateTime = item.stored_at;
  if (href) {
    part("open").href = href;
    part("open").addEventListener("click", () => mark(item, "read"));
  } else {
    part("open").remove();
  }
  for (const name of ["read", "archive"]) {
    part(name).addEventListener("click", () => mark(item, name));
    part(name).setAttribute("aria-label", `${part(name).textContent}: ${item.title}`);
  }
  node.dataset.id = item.id;
  node.dataset.at = item.stored_at;
  return node;
}

/** Newest first; what is there is not moved, or the focus would be lost. */
function place(node) {
  const older = [...$("items").children].find((other) => other.dataset.at < node.dataset.at);
  $("items").insertBefore(node, older ?? null);
}

function draw(item, isNew) {
  if (item.archived_at) return remove(item.id);
  let node = nodes.get(item.id);
  if (!node) {
    nodes.set(item.id, (node = create(item)));
    place(node);
    if (!item.seen_at) screen.observe(node);
    if (isNew) {
      node.classList.add("arrived");
      $("news").textContent = `New: ${item.title}`;
    }
  }
  const button = node.querySelector(".read");
  if (item.read_at && button === document.activeElement) node.querySelector(".archive").focus();
  button.hidden = Boolean(item.read_at);
  node.classList.toggle("unread", !item.read_at);
  $("empty").hidden = true;
}

function remove(id) {
  const node = nodes.get(id);
  if (!node) return;
  const focused = node.contains(document.activeElement);
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  nodes.delete(id);
  if (focused) (next?.querySelector(".archive") ?? $("heading")).focus();
  $("empty").hidden = nodes.size > 0;
}

async function mark(item, what) {
  await attempt(inbox.mark(item.id, what));
}

/** Tell of what fails. */
async function attempt(work) {
  $("error").textContent = "";
  try {
    await work;
  } catch (error) {
    $("error").textContent = `That did not work. ${error.message}`;
  }
}

const on = {
  item: draw,
  unread(count) {
    const text = count >= UNREAD_CAP ? `${UNREAD_CAP - 1}+` : String(count);
    $("unread").textContent = count ? `${text} unread` : "";
    document.title = count ? `(${text}) Inbox` : "Inbox";
  },
  more(areThere) {
    $("older").hidden = !areThere;
    $("empty").hidden = nodes.size > 0;
  },
  state(state) {
    $("state").textContent = state === "live" ? "Live" : "Connecting …";
    $("state").className = state;
  },
};

/** Show the form until it is sent, and keep what it says in the fragment, for a reload. */
async function ask(why) {
  $("why").textContent = why;
  $("url").value = given.get("url") ?? "";
  $("url").readOnly = Boolean(inbox);
  $("token").value = "";
  $("form").hidden = false;
  $(given.get("url") ? "token" : "url").focus();
  await new Promise((resolve) => {
    $("form").onsubmit = (event) => resolve(event.preventDefault());
  });
  given.set("url", $("url").value.trim());
  given.set("token", $("token").value.trim());
  history.replaceState(null, "", `#${given}`);
  $("form").hidden = true;
}

/** What inbox.js asks for a token. An app would ask its own server here. */
async function getToken(why) {
  if (why) await ask(why);
  return given.get("token");
}

$("older").addEventListener("click", () => attempt(inbox.older()));
addEventListener("hashchange", () => location.reload());
if (!given.get("url") || !given.get("token")) await ask("");
inbox = new Inbox(given.get("url"), getToken, on);
inbox.start();
