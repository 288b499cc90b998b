// Reads expressions, as an array in JSON, and prints for each where Prometheus' own grammar finds
// something wrong, or null.
'use strict';
const fs = require('fs');
const {parser} = require('@prometheus-io/lezer-promql');

function wrong(expression) {
  let found = null;
  parser.parse(expression).iterate({
    enter: (node) => {
      if (found !== null || !node.type.isError) return;
      found = `${node.from}: ${expression.slice(node.from)}`;
    },
  });
  return found;
}

process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map(wrong)));
