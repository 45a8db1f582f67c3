export { canonicalJson, type JsonValue } from './canonical-json.js';
export { generateKeyPair, keyPairFromPem, parsePublicKey, privateKeyToPem, sign, verify, type KeyPair, type PublicKey } from './ed25519.js';
export { sha256Hex, sha256OfJson } from './sha256.js';
export { leafHash, merkleRoot } from './merkle.js';
export { rootOfJson, signBatch, signedText, verifyBatch, type BatchHead, type BatchToSign, type BatchToVerify, type BatchVerdict } from './results.js';
