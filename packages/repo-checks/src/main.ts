import { checkRepository } from './check-repository.js';

const { files, violations } = await checkRepository(process.argv[2] ?? process.cwd());
for (const { path, line, rule, message } of violations) console.error(`${path}:${line}  ${rule}: ${message}`);
console.log(`imports of ${files} files checked, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
