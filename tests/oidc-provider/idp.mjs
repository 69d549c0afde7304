// A real OpenID Connect provider for the tests (npm oidc-provider): discovery, JWKS, client_credentials, JWT access tokens.
// usage: node idp.mjs [port, 0 for a free one] [keys.json] [--rotate | --retire]
// ISSUER: what it calls itself. TTL: seconds that a token holds. ALG: RS256 PS256 ES256 ES384 EdDSA ...
import { readFileSync, writeFileSync, existsSync, renameSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [port = '0', keyFile = 'keys.json', action] = process.argv.slice(2);
const issuer = process.env.ISSUER ?? `http://127.0.0.1:${port}`;
const alg = process.env.ALG ?? 'RS256';

const newKey = () => {
  const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
  const { privateKey } = alg.startsWith('Ed') ? generateKeyPairSync('ed25519')
    : curves[alg] ? generateKeyPairSync('ec', { namedCurve: curves[alg] })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
};
const load = () => (existsSync(keyFile) ? JSON.parse(readFileSync(keyFile)).keys : [newKey()]);
const save = (keys) => {
  writeFileSync(`${keyFile}.tmp`, JSON.stringify({ keys }), { mode: 0o600 });
  renameSync(`${keyFile}.tmp`, keyFile);
};
let keys = load();
if (action === '--rotate') keys = [newKey(), ...keys];   // the first key signs, the others stay published
if (action === '--retire') keys = keys.slice(0, 1);      // old keys vanish from /jwks
save(keys);
if (action) process.exit(0);

const clients = [
  { client_id: 'acme-app', client_secret: 'acme-secret', tenant: 'acme', plan: 'gold' },
  { client_id: 'globex-app', client_secret: 'globex-secret', tenant: 'globex', plan: 'free' },
].map((client) => ({ ...client, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }));

const provider = new Provider(issuer, {
  clients,
  jwks: { keys },
  clientDefaults: { id_token_signed_response_alg: alg, token_endpoint_auth_method: 'client_secret_post' },
  enabledJWA: { idTokenSigningAlgValues: [...new Set(['RS256', ...keys.map((key) => key.alg)])] },
  scopes: ['llm.read', 'llm.write'],
  extraClientMetadata: { properties: ['tenant', 'plan'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://llm.example',
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'llm.read llm.write',
        audience: resource,
        accessTokenTTL: Number(process.env.TTL ?? 300),
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg } },
      }),
    },
  },
  extraTokenClaims: (_ctx, token) =>
    token.client ? { tenant: token.client.tenant, plan: token.client.plan } : undefined,
});
provider.on('server_error', (_ctx, error) => console.error(error));
provider.proxy = true;

// The provider builds its URLs from the request. It stands behind a proxy here, so the request says what the proxy was called.
const { host, protocol } = new URL(issuer);
const handle = provider.callback();
const server = createServer((request, response) => {
  request.headers['x-forwarded-host'] = host;
  request.headers['x-forwarded-proto'] = protocol.replace(':', '');
  handle(request, response);
});
server.listen(Number(port), '127.0.0.1', () => console.log(`ready http://127.0.0.1:${server.address().port}`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => server.close(() => process.exit(0)));
