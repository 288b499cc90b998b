// Prints, as one JSON object, every service that a server's reflection lists, with its methods.
//
//   NODE_PATH=.../node_modules node reflect.js HOST:PORT [CERTIFICATES]
//
// CERTIFICATES is a folder with ca.crt, tls.crt and tls.key.
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const {GrpcReflection} = require('grpc-js-reflection-client');

const CALL_MS_MAX = 20000;

function credentials(folder) {
  if (!folder) return grpc.ChannelCredentials.createInsecure();
  const read = (name) => fs.readFileSync(`${folder}/${name}`);
  return grpc.ChannelCredentials.createSsl(read('ca.crt'), read('tls.key'), read('tls.crt'));
}

async function main(address, certificates) {
  const options = {deadline: Date.now() + CALL_MS_MAX};
  const server = new GrpcReflection(address, credentials(certificates), {}, 'v1alpha');
  const services = {};
  for (const name of await server.listServices('*', options)) {
    services[name] = (await server.listMethods(name, options)).map((method) => method.name);
  }
  console.log(JSON.stringify(services));
}

main(...process.argv.slice(2)).then(() => process.exit(0), (error) => {
  console.error(String(error));
  process.exit(1);
});
