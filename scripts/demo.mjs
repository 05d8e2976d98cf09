// `npm run demo` on any Node from 20: installs what is missing, then runs `bridge up --demo`.
import { runBridge } from './node26.mjs'

await runBridge(['up', '--demo', ...process.argv.slice(2)])
