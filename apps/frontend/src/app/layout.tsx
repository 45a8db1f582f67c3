import type { Metadata, Viewport } from 'next';
import localFont from 'next/font/local';
import { cookies, headers } from 'next/headers';
import type { ReactNode } from 'react';
import { HydrationBoundary } from '@tanstack/react-query';
import { Providers } from '@/components/frame/providers';
import { THEME_COOKIE, themeOf } from '@/lib/theme.rules';
import { isSignedIn, prefetch } from '@/server/prefetch';
import './globals.css';

const geist = localFont({ src: '../../node_modules/@fontsource-variable/geist/files/geist-latin-wght-normal.woff2', weight: '100 900', variable: '--font-geist' });
const geistMono = localFont({ src: '../../node_modules/@fontsource-variable/geist-mono/files/geist-mono-latin-wght-normal.woff2', weight: '100 900', variable: '--font-geist-mono' });

export const metadata: Metadata = {
  title: { default: 'muster', template: '%s · muster' },
  description: 'Rent GPUs and compute from anyone, and see the evidence before you pay.',
  robots: { index: false },
};
export const viewport: Viewport = { width: 'device-width', initialScale: 1, themeColor: [{ media: '(prefers-color-scheme: light)', color: '#faf9f8' }, { media: '(prefers-color-scheme: dark)', color: '#0f0e0d' }] };

export default async function RootLayout({ children }: { children: ReactNode }) {
  const [jar, head, signedIn] = [await cookies(), await headers(), await isSignedIn()];
  const state = await prefetch(signedIn ? [{ name: 'getAccount', request: {} }, { name: 'getBalance', request: {} }] : []);
  return (
    <html lang="en" data-theme={themeOf(jar.get(THEME_COOKIE)?.value)} className={`${geist.variable} ${geistMono.variable}`}>
      <body>
        <Providers signedIn={signedIn} nonce={head.get('x-nonce') ?? ''}>
          <HydrationBoundary state={state}>{children}</HydrationBoundary>
        </Providers>
      </body>
    </html>
  );
}
