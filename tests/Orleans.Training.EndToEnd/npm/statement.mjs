// Verifies validators' statements with @sigstore/verify as its authors publish it. Arguments: three for each statement: bundle, the validator's key (PEM), the model file it is about.
// Prints for each whether the signature is good and which of the statement's subjects the file is.
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { bundleFromJSON } from '@sigstore/bundle';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const nobody = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const none = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };

const check = (path, pem, file) => {
  try {
    const bundle = bundleFromJSON(JSON.parse(readFileSync(path, 'utf8')));
    const rawBytes = createPublicKey(readFileSync(pem)).export({ format: 'der', type: 'spki' });
    const trusted = toTrustMaterial(nobody, { [bundle.verificationMaterial.content.publicKey.hint]: { rawBytes } });
    new Verifier(trusted, none).verify(toSignedEntity(bundle));
    const { _type, predicateType, subject, predicate } = JSON.parse(bundle.content.dsseEnvelope.payload.toString('utf8'));
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    return { good: true, type: _type, predicateType, file: subject.find((one) => one.digest.sha256 === sha256)?.name ?? null, round: predicate.buildDefinition.externalParameters.round };
  } catch (problem) {
    return { good: false, problem: `${problem.code ?? ''} ${problem.message}`.trim() };
  }
};

const files = process.argv.slice(2);
for (let i = 0; i < files.length; i += 3) process.stdout.write(JSON.stringify(check(files[i], files[i + 1], files[i + 2])) + '\n');
