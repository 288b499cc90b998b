// A client of a queue from npm, by the queue's own library.
//
//   node peer.js KIND prepare SERVER
//   node peer.js KIND submit SERVER {"inFlight", "perCall", "calls", "seconds", "intervalUs"}
//   node peer.js KIND work SERVER {"slots", "jobs", "seconds"}
//
// KIND is a file beside this one; SERVER is JSON. `work` prints `ready` first. Each prints one line
// of JSON at its end: jobs, seconds, and latencies of calls, or from submission to start.
"use strict";

const PAYLOAD_BYTES = 200;

const nowNs = () => process.hrtime.bigint();

function payload(number) {
  const job = { at: String(nowNs()), number, path: "" };
  job.path = "in/".padEnd(PAYLOAD_BYTES - JSON.stringify(job).length, ".");
  return job;
}

function summary(latenciesUs) {
  const sorted = Float64Array.from(latenciesUs).sort();
  const found = { count: sorted.length };
  if (sorted.length > 0) {
    found.p50_us = sorted[Math.floor((sorted.length - 1) / 2)];
    found.p99_us = sorted[Math.ceil(sorted.length * 0.99) - 1];
    found.max_us = sorted[sorted.length - 1];
  }
  return found;
}

function say(jobs, beganNs, endedNs, latenciesUs) {
  const seconds = Number(endedNs - beganNs) / 1e9;
  console.log(JSON.stringify({ jobs, seconds, latency: summary(latenciesUs) }));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Keeps calls in flight until so many are made, or the time is up.
async function submit(queue, { inFlight, perCall, calls, seconds, intervalUs }) {
  const latenciesUs = [];
  let made = 0;
  const began = nowNs();
  const deadline = began + BigInt(Math.round(seconds * 1e9));
  const caller = async () => {
    while (made < calls && nowNs() < deadline) {
      const number = made++;
      if (intervalUs > 0) await pause(intervalUs / 1000);
      const jobs = Array.from({ length: perCall }, (_, i) => payload(number * perCall + i));
      const before = nowNs();
      await (perCall === 1 ? queue.submitOne(jobs[0]) : queue.submitMany(jobs));
      latenciesUs.push(Number(nowNs() - before) / 1000);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  say(latenciesUs.length * perCall, began, nowNs(), latenciesUs);
}

// Does jobs until so many are done, or the time is up.
async function work(queue, { slots, jobs, seconds }) {
  const latenciesUs = [];
  let done = 0;
  let began = 0n;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const timer = setTimeout(finish, seconds * 1000);
  await queue.work(slots, (job) => {
    const now = nowNs();
    if (began === 0n) began = now;
    latenciesUs.push(Number(now - BigInt(job.at)) / 1000);
    if (++done === jobs) finish();
  });
  console.log("ready");
  await finished;
  const doneInTime = done;
  const inTime = nowNs();
  clearTimeout(timer);
  await queue.stop();
  // All were done: what acknowledges them belongs to the work.
  const ended = doneInTime >= jobs ? nowNs() : inTime;
  say(doneInTime, began || ended, ended, latenciesUs);
}

async function main([kind, command, server, options]) {
  const { open } = require(`./peer_${kind}.js`);
  const queue = await open(JSON.parse(server));
  if (command === "prepare") await queue.prepare();
  if (command === "submit") await submit(queue, JSON.parse(options));
  if (command === "work") await work(queue, JSON.parse(options));
  await queue.close();
  process.exit(0);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
