/** In place of an epoch: the disk that is kept of a rental, through all its starts. Starts count from 1. */
export const DISK_EPOCH = 0;
