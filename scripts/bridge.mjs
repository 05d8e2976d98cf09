#!/usr/bin/env node
// The administrator's tool, on whatever Node starts it.
import { runBridge } from './node26.mjs'

await runBridge(process.argv.slice(2))
