// Calls KEDA's external scaler as its operator does, with another implementation of gRPC. Prints a
// line of JSON for each answer; of StreamIsActive until it is killed.
//
//   NODE_PATH=.../node_modules node scaler.js HOST:PORT PROTO CALL METADATA [CERTIFICATES]
//
// PROTO is the file that describes it, METADATA those of a trigger as JSON, and CERTIFICATES a
// folder with ca.crt, tls.crt and tls.key.
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const CALL_MS_MAX = 20000;
const METRIC = 'closewrite-jobs';

function credentials(folder) {
  if (!folder) return grpc.credentials.createInsecure();
  const read = (name) => fs.readFileSync(`${folder}/${name}`);
  return grpc.credentials.createSsl(read('ca.crt'), read('tls.key'), read('tls.crt'));
}

function main(address, proto, call, metadata, certificates) {
  const described = loader.loadSync(proto, {keepCase: true, longs: Number, defaults: true});
  const {ExternalScaler} = grpc.loadPackageDefinition(described).externalscaler;
  const scaler = new ExternalScaler(address, credentials(certificates));
  const object = {name: 'executors', namespace: 'closewrite', scalerMetadata: JSON.parse(metadata)};
  const tell = (answer) => console.log(JSON.stringify(answer));
  const fail = (error) => {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exit(1);
  };
  if (call === 'StreamIsActive') {
    scaler.StreamIsActive(object).on('data', tell).on('error', fail);
    return;
  }
  const request = call === 'GetMetrics' ? {scaledObjectRef: object, metricName: METRIC} : object;
  scaler[call](request, {deadline: Date.now() + CALL_MS_MAX}, (error, answer) => {
    if (error) return fail(error);
    tell(answer);
    process.exit(0);
  });
}

main(...process.argv.slice(2));
