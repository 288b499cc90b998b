// pg-boss; each slot fetches `batch` jobs, and completes them together.
"use strict";

const PgBoss = require("pg-boss");

const CONNECTIONS_MAX = 20;
const QUEUE = "noop";
const IDLE_MS = 500; // its shortest interval of polls

exports.open = async ({ host, port, user, database, batch }) => {
  const boss = new PgBoss({
    host, port, user, database, max: CONNECTIONS_MAX, supervise: false, schedule: false,
  });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  let stopped = false;
  let slots = [];
  const slot = async (handle) => {
    while (!stopped) {
      const jobs = await boss.fetch(QUEUE, { batchSize: batch });
      for (const job of jobs) handle(job.data);
      if (jobs.length > 0) {
        await boss.complete(QUEUE, jobs.map((job) => job.id));
      } else {
        await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      }
    }
  };
  return {
    prepare: () => boss.createQueue(QUEUE),
    submitOne: (job) => boss.send(QUEUE, job),
    submitMany: (jobs) => boss.insert(jobs.map((data) => ({ name: QUEUE, data }))),
    async work(count, handle) {
      slots = Array.from({ length: count }, () => slot(handle));
    },
    async stop() {
      stopped = true;
      await Promise.all(slots);
    },
    close: () => boss.stop({ graceful: false, wait: false }),
  };
};
