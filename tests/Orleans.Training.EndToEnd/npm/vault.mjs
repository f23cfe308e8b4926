// Asks a vault for a key and for signatures with @azure/keyvault-keys as its authors publish it. Prints one JSON line per answer; arguments: port, host, certificate, token, key.
import dns from 'node:dns';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys';

const [port, host, certificate, token, name] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
// Every name of the test's domain is this machine.
const lookup = dns.lookup;
dns.lookup = (hostname, options, callback) => lookup(hostname === host ? '127.0.0.1' : hostname, options, callback);
const credential = { getToken: async (scopes, options) => { say({ scopes, tenant: options.tenantId ?? null }); return { token, expiresOnTimestamp: Date.now() + 3_600_000 }; } };
const base = { tlsOptions: { ca: readFileSync(certificate, 'utf8') }, retryOptions: { maxRetries: 2, retryDelayInMs: 1 } };

for (const more of [{}, { serviceVersion: '7.6' }]) {
  const options = { ...base, ...more };
  const key = await new KeyClient(`https://${host}:${port}`, credential, options).getKey(name);
  say({ kid: key.id, kty: key.keyType, crv: key.key.crv, x: Buffer.from(key.key.x).toString('hex'), y: Buffer.from(key.key.y).toString('hex'), enabled: key.properties.enabled });
  const digest = createHash('sha256').update('what is signed').digest();
  const signed = await new CryptographyClient(key.id, credential, options).sign('ES256', digest);
  say({ algorithm: signed.algorithm, signed: Buffer.from(signed.result).toString('hex'), by: signed.keyID });
  try {
    await new KeyClient(`https://${host}:${port}`, credential, options).getKey('nothing');
  } catch (error) {
    say({ code: error.code, status: error.statusCode });
  }
}
