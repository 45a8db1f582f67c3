/** Told to the market at enrolment and at every connect. */
export const AGENT_VERSION = '0.1.0';
