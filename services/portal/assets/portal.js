// Makes pages livelier where scripts may run: uploads in pieces that survive a broken connection,
// numbers that keep up with what happens, questions before something is stopped. Everything works
// without it, too.
"use strict";

const PIECE_BYTES = 8 * 1024 * 1024;
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 15000;
const TRIES_MAX = 60; // in a row, without a byte that went through
const LIVE_PAUSE_MS_MAX = 30000;

const base = document.body.dataset.base;
const token = document.body.dataset.csrf;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.95 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit > 0 && value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

function secondsText(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

// What a browser remembers, where it may.
const memory = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // Then an upload goes on only as long as the page is open.
    }
  },
};

// Times in the zone of whoever looks.
function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    element.title = element.textContent;
    const today = time.toDateString() === new Date().toDateString();
    element.textContent = today
      ? time.toLocaleTimeString()
      : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

// An upload that goes on where it was broken off, also after the page was closed.
class Upload {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input[type=file]");
    this.button = form.querySelector("button.main");
    this.panel = form.querySelector("[data-sending]");
    this.text = form.querySelector("[data-sending-text]");
    this.bar = form.querySelector("progress");
    this.pauser = form.querySelector("[data-pause]");
    this.paused = false;
    this.busy = false;
    form.addEventListener("submit", (event) => this.submit(event));
    this.pauser.addEventListener("click", () => this.togglePause());
    this.watchDrops(form.querySelector("[data-drop]"));
    window.addEventListener("beforeunload", (event) => {
      if (this.busy) event.preventDefault();
    });
  }

  watchDrops(zone) {
    const over = (on) => (event) => {
      event.preventDefault();
      zone.classList.toggle("over", on);
    };
    zone.addEventListener("dragenter", over(true));
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length > 0) this.input.files = event.dataTransfer.files;
    });
  }

  say(text, isTrouble = false) {
    this.panel.hidden = false;
    this.text.textContent = text;
    this.text.className = isTrouble ? "bad" : "";
  }

  togglePause() {
    this.paused = !this.paused;
    this.pauser.textContent = this.paused ? "Go on" : "Pause";
    if (this.paused && this.request) this.request.abort();
  }

  storeKey(file) {
    return `upload:${this.form.dataset.page}:${file.name}:${file.size}:${file.lastModified}`;
  }

  async submit(event) {
    event.preventDefault();
    const file = this.input.files[0];
    if (!file || this.busy) return;
    if (file.size > Number(this.form.dataset.max)) {
      this.say(`That file is larger than this page takes: ${bytesText(file.size)}.`, true);
      return;
    }
    this.busy = true;
    this.form.dataset.sendingNow = "";
    this.button.disabled = true;
    try {
      const place = (await this.resume(file)) || (await this.begin(file));
      await this.send(file, place);
      memory.set(this.storeKey(file), null);
      this.busy = false;
      window.location.assign(place.address);
    } catch (error) {
      this.say(error.message, true);
    }
    this.busy = false;
    delete this.form.dataset.sendingNow;
    this.button.disabled = false;
  }

  // What was begun before, if it still is there.
  async resume(file) {
    const address = memory.get(this.storeKey(file));
    if (!address) return null;
    try {
      const answer = await fetch(address, { method: "HEAD" });
      if (answer.status === 200) {
        return { address, offset: Number(answer.headers.get("Upload-Offset")) };
      }
    } catch {
      // Begun anew.
    }
    memory.set(this.storeKey(file), null);
    return null;
  }

  async begin(file) {
    const fields = new URLSearchParams({
      csrf: token,
      page: this.form.dataset.page,
      name: file.name,
      size: String(file.size),
      email: this.form.elements.email.value,
    });
    const answer = await fetch(`${base}/uploads?format=json`, { method: "POST", body: fields });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error || `The portal says ${answer.status}.`);
    memory.set(this.storeKey(file), said.location);
    return { address: said.location, offset: 0 };
  }

  // One piece; resolves to the answer, null when there was none.
  piece(address, file, offset, onProgress) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("PATCH", address);
      request.setRequestHeader("Upload-Offset", String(offset));
      request.setRequestHeader("Content-Type", "application/offset+octet-stream");
      request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
      request.addEventListener("load", () => resolve(request));
      for (const end of ["error", "abort", "timeout"]) {
        request.addEventListener(end, () => resolve(null));
      }
      request.send(file.slice(offset, offset + PIECE_BYTES));
    });
  }

  show(file, done, rate) {
    const share = file.size === 0 ? 100 : Math.floor((100 * done) / file.size);
    this.bar.value = share;
    this.bar.textContent = `${share} %`;
    const left = rate > 0 ? secondsText((file.size - done) / rate) : "";
    this.say(`${bytesText(done)} of ${bytesText(file.size)} (${share} %) ${left}`);
  }

  async send(file, place) {
    let { offset } = place;
    let tries = 0;
    const began = performance.now();
    const first = offset;
    for (;;) {
      while (this.paused) await pause(200);
      const rate = () => (1000 * (offset - first)) / Math.max(1, performance.now() - began);
      this.show(file, offset, rate());
      const answer = await this.piece(place.address, file, offset, (sent) =>
        this.show(file, Math.min(offset + sent, file.size), rate()));
      const status = answer === null ? 0 : answer.status;
      if (status === 204 || (status === 200 && answer.responseText === "whole")) return;
      if (status === 200) {
        offset = Number(answer.getResponseHeader("Upload-Offset"));
        tries = 0;
        continue;
      }
      if (status >= 400 && status < 500 && status !== 409) throw new Error(answer.responseText);
      offset = await this.recover(place.address, offset, ++tries);
    }
  }

  // Waits, and asks where to go on.
  async recover(address, offset, tries) {
    if (tries > TRIES_MAX) throw new Error("The portal can't be reached. Try again later.");
    if (!this.paused) this.say("The connection was lost; it goes on by itself …", true);
    await pause(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(tries, 6)));
    try {
      const answer = await fetch(address, { method: "HEAD" });
      if (answer.status === 200) return Number(answer.headers.get("Upload-Offset"));
      if (answer.status === 404) throw new Error("This upload is not known any more: begin anew.");
    } catch (error) {
      if (error.message.startsWith("This upload")) throw error;
    }
    return offset;
  }
}

// Keeps the parts of a page that have `data-live` as the server has them now.
class Live {
  constructor() {
    this.state = document.getElementById("live-state");
    this.path = window.location.pathname.slice(base.length) || "/";
    this.wait = 1000;
    this.open();
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  onVisibility() {
    if (document.hidden) {
      this.source.close();
      this.source = null;
    } else if (!this.source) {
      this.open();
    }
  }

  open() {
    const query = new URLSearchParams(window.location.search);
    query.set("path", this.path);
    this.source = new EventSource(`${base}/live?${query}`);
    this.source.addEventListener("open", () => {
      this.state.textContent = "live";
      this.wait = 1000;
    });
    this.source.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.onError());
  }

  onError() {
    this.source.close();
    this.source = null;
    this.state.textContent = "not live just now";
    setTimeout(() => {
      if (!this.source && !document.hidden) this.open();
    }, this.wait);
    this.wait = Math.min(LIVE_PAUSE_MS_MAX, 2 * this.wait);
  }

  take(event) {
    if (event.status >= 400) {
      this.state.textContent = "the coordinator does not answer just now";
      return;
    }
    this.state.textContent = "live";
    const fresh = new DOMParser().parseFromString(event.html, "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const name = old.dataset.live;
      const now = fresh.querySelector(`[data-live="${name}"]`);
      if (now) this.replace(old, now);
    }
    // A page that refuses while it is busy opens again by itself.
    const now = fresh.querySelector("form[data-upload] button.main");
    const old = document.querySelector("form[data-upload]:not([data-sending-now]) button.main");
    if (now && old) old.disabled = now.disabled;
    // There is something now that has no place on this page yet, or it is over.
    const missing = [...fresh.querySelectorAll("[data-live]")].some(
      (part) => !document.querySelector(`[data-live="${part.dataset.live}"]`));
    if (missing) window.location.reload();
    if (!event.live && this.source) {
      this.source.close();
      this.state.textContent = "";
    }
  }

  replace(old, now) {
    if (old.dataset.shown === now.innerHTML) return;
    // Whoever works with a part of the page keeps it under their hands.
    if (old.contains(document.activeElement) && document.activeElement.matches("button, input")) {
      return;
    }
    const shown = now.innerHTML;
    const atEnd = old.scrollHeight - old.scrollTop - old.clientHeight < 40;
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    old.innerHTML = shown;
    old.dataset.shown = shown;
    [...old.querySelectorAll("details")].forEach((each, i) => {
      each.open = Boolean(opened[i]);
    });
    localTimes(old);
    if (old.matches("pre") && atEnd) old.scrollTop = old.scrollHeight;
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) new Upload(form);
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
localTimes(document);
if ("livePage" in document.body.dataset && "EventSource" in window) new Live();
