// graphile-worker; `prefetch` jobs are taken at once, and acknowledged later, when it is not 0.
"use strict";

const { makeWorkerUtils, run } = require("graphile-worker");
const { Pool } = require("pg");

const CONNECTIONS_MAX = 20;
const silent = { error() {}, warn() {}, info() {}, debug() {} };

exports.open = async ({ host, port, user, database, prefetch }) => {
  const { Logger } = require("graphile-worker");
  const logger = new Logger(() => (level, message) => {
    if (level === "error") console.error(message);
    return silent[level];
  });
  const pgPool = new Pool({ host, port, user, database, max: CONNECTIONS_MAX });
  const utils = await makeWorkerUtils({ pgPool, logger });
  let runner;
  return {
    prepare: () => utils.migrate(),
    submitOne: (job) => utils.addJob("noop", job),
    submitMany: (jobs) =>
      utils.addJobs(jobs.map((payload) => ({ identifier: "noop", payload }))),
    async work(slots, handle) {
      const worker = { concurrentJobs: slots };
      if (prefetch > 0) {
        Object.assign(worker, { localQueue: { size: prefetch }, completeJobBatchDelay: 0 });
      }
      runner = await run({
        pgPool,
        logger,
        noHandleSignals: true,
        preset: { worker },
        taskList: { noop: async (payload) => handle(payload) },
      });
    },
    stop: () => runner.stop(),
    async close() {
      await utils.release();
      await pgPool.end();
    },
  };
};
