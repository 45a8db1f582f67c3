export { canonicalJson, type JsonValue } from './canonical-json.js';
export { generateKeyPair, keyPairFromPem, parsePublicKey, privateKeyToPem, sign, verify, type KeyPair, type PublicKey } from './ed25519.js';
export { sha256Hex, sha256OfJson } from './sha256.js';
