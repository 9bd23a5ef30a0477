// One recipient's inbox: the list, the live stream, the marks. It draws nothing: copy this file
// into your app, and draw what `on` is told. docs/inbox.md says why it does what it does.

const MARKS = { seen: ["seen_at"], read: ["seen_at", "read_at"], archive: ["archived_at"] };
const LONGEST_PAUSE = 30; // seconds
export const UNREAD_CAP = 100; // intake counts no further: show "99+"

const isUnread = (item) => Number(!item.read_at && !item.archived_at);

export class Inbox {
  items = new Map(); // by id: each item once, however often it is shown

  #url;
  #getToken;
  #on;
  #token; // a promise, so that several requests wait for the same token
  #why = ""; // why the last token is of no use
  #stream;
  #lastEventId = "";
  #loaded = Promise.resolve();
  #next; // undefined before the first page, null after the last
  #unread = 0;
  #countedUntil = ""; // the newest item that intake's own count knew
  #failures = 0; // since the stream was last ready
  #timer;
  #closed = false;

  /**
   * `url`: where intake is. `getToken(why)`: a promise of a token of this recipient; `why` is ""
   * at first, later the reason for which the last token is of no use. `on`: functions that are
   * told `item(item, isNew)` when one comes (`isNew`: live) or changes, `unread(count)`,
   * `more(areThere)` of older pages, `state("connecting" | "live")`.
   */
  constructor(url, getToken, on) {
    this.#url = url.replace(/\/+$/, "");
    this.#getToken = getToken;
    this.#on = on;
  }

  /** Begin, and go on until `close`. */
  start() {
    this.#connect();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.close();
  }

  /** The next page of older items; throws what a person may be told. */
  async older() {
    if (this.#next) await this.#load(this.#next);
  }

  /** Mark an item "seen", "read" or "archive": here at once; taken back, and thrown, if it fails. */
  async mark(id, what) {
    const fields = MARKS[what].filter((field) => !this.items.get(id)[field]);
    if (!fields.length) return;
    const now = new Date().toISOString();
    this.#change(id, fields, () => now);
    try {
      const answer = await this.#request("POST", `/v1/inbox/${encodeURIComponent(id)}/${what}`);
      this.#change(id, fields, (field) => answer[field]);
    } catch (error) {
      this.#change(id, fields, () => null);
      throw error;
    }
  }

  async #connect() {
    try {
      // EventSource does not say why it was refused. The list does: a 401 asks for another token.
      if (this.#failures) await this.#load();
      const state = this.#stream?.readyState ?? EventSource.CLOSED;
      if (state === EventSource.CLOSED) this.#listen(await this.#askToken());
      if (state === EventSource.OPEN) this.#tell("state", "live");
    } catch (error) {
      this.#later(error);
    }
  }

  #listen(token) {
    if (this.#closed) return;
    const query = new URLSearchParams({ token });
    if (this.#lastEventId) query.set("last_event_id", this.#lastEventId);
    const stream = new EventSource(`${this.#url}/v1/inbox/stream?${query}`);
    this.#stream = stream;
    stream.addEventListener("ready", (event) => {
      this.#lastEventId = event.lastEventId;
      this.#failures = 0;
      this.#tell("state", "live");
      // Not before: what is stored from now on, the stream shows, so nothing falls in between.
      this.#loaded = this.#load().catch((error) => this.#later(error));
    });
    stream.addEventListener("item", async (event) => {
      this.#lastEventId = event.lastEventId;
      await this.#loaded;
      const item = JSON.parse(event.data);
      if (this.items.has(item.id)) return; // across a cut, items may come twice
      this.#put(item, true);
      // What a cut held back is in the list's count already, also where its page did not reach.
      if (item.stored_at > this.#countedUntil) this.#count(isUnread(item));
    });
    stream.addEventListener("expired", () => {
      stream.close();
      this.#tell("state", "connecting");
      this.#refuse(this.#token, "The token has expired.");
      this.#connect();
    });
    stream.addEventListener("error", () => {
      // Cut off: the browser comes back by itself, with Last-Event-ID. Refused: it has given up.
      if (stream.readyState === EventSource.CLOSED) this.#later();
      else this.#tell("state", "connecting");
    });
  }

  /** Connect after a pause: none at first, then doubled by each failure, half of it random. */
  #later(error) {
    this.#tell("state", "connecting");
    const backoff = this.#failures ? Math.min(2 ** this.#failures, LONGEST_PAUSE) : 0;
    const pause = Math.max(error?.retryAfter ?? 0, backoff * (0.5 + Math.random() / 2));
    this.#failures += 1;
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.#connect(), pause * 1000);
  }

  async #load(after) {
    const query = after ? `?${new URLSearchParams({ after })}` : "";
    const page = await this.#request("GET", `/v1/inbox${query}`);
    for (const item of page.items) this.#put(item, false);
    if (after || this.#next === undefined) {
      this.#next = page.next;
      this.#tell("more", Boolean(page.next));
    }
    if (after) return;
    this.#countedUntil = page.items[0]?.stored_at ?? "";
    this.#unread = page.unread;
    this.#count(0);
  }

  async #request(method, path) {
    for (let tries = 1; ; tries += 1) {
      const asked = this.#askToken();
      const headers = { Authorization: `Bearer ${await asked}` };
      const response = await fetch(this.#url + path, { method, headers }).catch(() => {
        throw new Error("Fogbell cannot be reached.");
      });
      if (response.ok) return response.json();
      const problem = await response.json().catch(() => ({})); // RFC 9457, or a proxy's page
      const detail = problem.detail ?? `Fogbell answered with ${response.status}.`;
      if (response.status === 401) this.#refuse(asked, detail);
      if (response.status !== 401 || tries === 2) {
        const retryAfter = Number(response.headers.get("Retry-After")) || 0; // seconds
        throw Object.assign(new Error(detail), { retryAfter });
      }
    }
  }

  #askToken() {
    if (!this.#token) {
      const asked = this.#getToken(this.#why);
      asked.catch(() => this.#refuse(asked, this.#why)); // then the next request asks again
      this.#token = asked;
    }
    return this.#token;
  }

  /** The token is of no use; another may have taken its place already. */
  #refuse(asked, why) {
    if (this.#token !== asked) return;
    this.#token = undefined;
    this.#why = why;
  }

  #change(id, fields, value) {
    const before = this.items.get(id);
    const changes = fields.map((field) => [field, value(field)]);
    const item = { ...before, ...Object.fromEntries(changes) };
    this.#put(item, false);
    this.#count(isUnread(item) - isUnread(before));
  }

  #put(item, isNew) {
    this.items.set(item.id, item);
    this.#tell("item", item, isNew);
  }

  #count(change) {
    if (this.#unread < UNREAD_CAP) this.#unread += change; // at the cap, only intake can count
    this.#tell("unread", this.#unread);
  }

  #tell(what, ...values) {
    if (!this.#closed) this.#on[what]?.(...values);
  }
}
