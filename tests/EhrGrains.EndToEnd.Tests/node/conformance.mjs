// Drives one tenant of the gateway the way a JavaScript application does, and prints what it saw as one line of JSON.
// Usage: node conformance.mjs FHIR_BASE CLIENT_ID CLIENT_SECRET SCOPE FAMILY
import { Client } from 'fhir-kit-client';
import assert from 'node:assert/strict';

const [baseUrl, clientId, clientSecret, scope, family] = process.argv.slice(2);
const pagesMax = 200;
const client = new Client({ baseUrl });

const smart = await client.smartAuthMetadata();
assert.ok(smart.tokenUrl, 'well-known/smart-configuration names a token endpoint');
const capabilities = await client.capabilityStatement();
assert.equal(capabilities.resourceType, 'CapabilityStatement');
assert.equal(capabilities.fhirVersion, '4.0.1');

const answer = await fetch(smart.tokenUrl, {
  method: 'POST',
  headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
  body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
});
const token = await answer.json();
assert.equal(answer.status, 200, JSON.stringify(token));
assert.equal(answer.headers.get('cache-control')?.includes('no-store'), true);
client.bearerToken = token.access_token;

const seen = new Set();
let pages = 0;
let bundle = await client.search({ resourceType: 'Patient', searchParams: { family, _count: 20 } });
for (; bundle; bundle = bundle.link?.some((l) => l.relation === 'next') ? await client.nextPage({ bundle }) : undefined) {
  assert.equal(bundle.type, 'searchset');
  assert.ok(++pages <= pagesMax, 'paging ends');
  for (const entry of bundle.entry ?? []) {
    if (entry.search?.mode === 'match') seen.add(entry.resource.id);
  }
}
assert.ok(seen.size > 0, 'the search finds patients');

const posted = await client.search({ resourceType: 'Patient', searchParams: { family, _count: 20 }, options: { postSearch: true } });
assert.equal(posted.resourceType, 'Bundle');

const [id] = seen;
const patient = await client.read({ resourceType: 'Patient', id });
assert.equal(patient.id, id);

const statuses = {};
for (const [name, call] of Object.entries({
  missing: () => client.read({ resourceType: 'Patient', id: 'no-such-patient' }),
  unknownType: () => client.search({ resourceType: 'Spaceship', searchParams: {} }),
})) {
  try {
    await call();
    statuses[name] = 200;
  } catch (error) {
    statuses[name] = error.response.status;
    assert.equal(error.response.data.resourceType, 'OperationOutcome', `${name} answers an OperationOutcome`);
  }
}

client.bearerToken = 'not-a-token';
try {
  await client.read({ resourceType: 'Patient', id });
  statuses.badToken = 200;
} catch (error) {
  statuses.badToken = error.response.status;
}

console.log(JSON.stringify({ pages, patients: seen.size, statuses }));
