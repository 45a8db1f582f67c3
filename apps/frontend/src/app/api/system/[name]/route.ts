import type { NextRequest } from 'next/server';
import { forward } from '@/server/forward';

const OPEN = ['/api/system/stats', '/api/system/health', '/api/system/ready'];

export const dynamic = 'force-dynamic';

export function GET(request: NextRequest): Response | Promise<Response> {
  return OPEN.includes(request.nextUrl.pathname) ? forward(request) : new Response(null, { status: 404 });
}
