// Reads [{name, module, type, object}] from stdin, and prints what the models have against each:
// missing fields, wrong types, what is no quantity or no known word.
// tsc looks for unknown fields, which the models let pass.

let input = "";
for await (const part of process.stdin) input += part;
for (const { name, module, type, object } of JSON.parse(input)) {
  const models = await import(module);
  try {
    new models[type](object).validate();
  } catch (error) {
    if (!error.errors) throw error;
    for (const each of error.errors) console.log(`${name}: ${each.instancePath}: ${each.message}`);
  }
}
