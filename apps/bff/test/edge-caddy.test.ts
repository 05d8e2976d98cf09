import { test } from 'node:test'
import { startCaddy } from '@audience-bridge/testkit/proxies.ts'
import { edgeContract } from './edge-world.ts'

test('Caddy carries the traffic as shipped', (t) => edgeContract(t, startCaddy))
