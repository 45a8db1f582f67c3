#!/usr/bin/env node
import { runSchemaEngine } from '../dist/engine/main.js';

process.exit(await runSchemaEngine(process.argv.slice(2), process.env.DATABASE_URL));
