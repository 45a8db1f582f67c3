/** What a person does about a finding. */
const REMEDIATION: Readonly<Record<string, string>> = {};

export const remediationOf = (code: string): string => REMEDIATION[code] ?? '';
