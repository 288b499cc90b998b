// BullMQ on Redis.
"use strict";

const { Queue, Worker } = require("bullmq");

const QUEUE = "noop";

exports.open = async ({ port }) => {
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, {
    connection,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  await queue.waitUntilReady();
  let worker;
  return {
    prepare: async () => {},
    submitOne: (job) => queue.add("noop", job),
    submitMany: (jobs) => queue.addBulk(jobs.map((data) => ({ name: "noop", data }))),
    async work(slots, handle) {
      worker = new Worker(QUEUE, async (job) => handle(job.data), {
        connection,
        concurrency: slots,
      });
      worker.on("error", (error) => console.error(error));
      await worker.waitUntilReady();
    },
    stop: () => worker.close(),
    close: () => queue.close(),
  };
};
