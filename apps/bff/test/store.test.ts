import { join } from 'node:path'
import { openSqliteStore } from '@audience-bridge/bff/session/store-sqlite.ts'
import { temporaryDirectory } from '@audience-bridge/testkit/config-copy.ts'
import { captureLog } from '@audience-bridge/testkit/log.ts'
import { storeContract } from './store-contract.ts'

storeContract('sqlite', 'swept', (t) => {
  const path = join(temporaryDirectory(t), 'sessions.sqlite')
  return () => openSqliteStore(path, captureLog([]))
})
