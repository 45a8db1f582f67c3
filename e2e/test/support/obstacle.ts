import { engineObstacle } from '@muster/testkit/engine/engine-place';

/** Why a whole market with a host cannot run on this machine; null when it can. */
export const obstacle = engineObstacle();

/** For the title of what is skipped then. */
export const needs = obstacle === null ? '' : ` (${obstacle})`;
