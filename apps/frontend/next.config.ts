import { resolve } from 'node:path';
import type { NextConfig } from 'next';

const repository = resolve(import.meta.dirname, '../..');

/** Nothing of the environment is read here: one build serves every installation. */
const config: NextConfig = {
  output: 'standalone',
  distDir: 'dist',
  outputFileTracingRoot: repository,
  turbopack: { root: repository },
  poweredByHeader: false,
  reactStrictMode: true,
  productionBrowserSourceMaps: false,
  images: { unoptimized: true },
  devIndicators: false,
  experimental: { optimizePackageImports: ['radix-ui', 'lucide-react'] },
};

export default config;
