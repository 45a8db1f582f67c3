import type { Metadata } from 'next';
import { config } from '@/config';
import { AddMachinePage } from '@/features/fleet/add-machine-page';

export const metadata: Metadata = { title: 'Add a machine' };

export default function Page() {
  return <AddMachinePage marketUrl={config().publicApiUrl} />;
}
