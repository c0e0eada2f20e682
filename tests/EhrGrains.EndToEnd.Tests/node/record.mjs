// Pages through a patient's record the way a JavaScript application does, and prints what it saw as one line of JSON.
// Usage: node record.mjs FHIR_BASE TOKEN PATIENT
import { Client } from 'fhir-kit-client';
import assert from 'node:assert/strict';

const [baseUrl, token, patient] = process.argv.slice(2);
const pagesMax = 100;
const client = new Client({ baseUrl, bearerToken: token, customHeaders: { 'Cache-Control': 'only-if-cached' } });

async function everyKey(bundle) {
  const keys = [];
  let pages = 0;
  for (; bundle; bundle = bundle.link?.some((l) => l.relation === 'next') ? await client.nextPage({ bundle }) : undefined) {
    assert.equal(bundle.type, 'searchset');
    assert.ok(++pages <= pagesMax, 'paging ends');
    keys.push(...(bundle.entry ?? []).map((entry) => `${entry.resource.resourceType}/${entry.resource.id}`));
  }
  assert.equal(new Set(keys).size, keys.length, 'each resource comes once');
  return { keys, pages };
}

const all = await everyKey(await client.request(`Patient/${patient}/$everything?_count=13`));
const isObservation = (key) => key.startsWith('Observation/');
const searchParams = { patient, _count: 9 };
const inIdOrder = await everyKey(await client.search({ resourceType: 'Observation', searchParams }));
const byDate = await everyKey(await client.search({ resourceType: 'Observation', searchParams: { ...searchParams, _sort: '-date' } }));
const posted = await everyKey(await client.search({ resourceType: 'Observation', searchParams, options: { postSearch: true } }));
const expected = all.keys.filter(isObservation).sort();
for (const found of [inIdOrder, byDate, posted]) {
  assert.deepEqual(found.keys.toSorted(), expected, 'a search finds what $everything holds');
}

const narrow = await client.search({ resourceType: 'Observation', searchParams: { patient, code: 'http://loinc.org|2003-7', date: 'ge2026-01-05' } });
assert.ok(narrow.total > 0 && narrow.total < 12, 'code and date narrow the search');
const read = await client.read({ resourceType: 'Patient', id: patient });
const version = await client.vread({ resourceType: 'Patient', id: patient, version: read.meta.versionId });
assert.deepEqual(version, read);
const history = await client.history({ resourceType: 'Patient', id: patient });
assert.equal(history.type, 'history');

console.log(JSON.stringify({ pages: all.pages + inIdOrder.pages, observations: expected.length }));
