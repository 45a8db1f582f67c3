import type { Metadata } from 'next';
import { OperatorPage } from '@/features/operator/operator-page';

export const metadata: Metadata = { title: 'Operator' };

export default function Page() {
  return <OperatorPage />;
}
