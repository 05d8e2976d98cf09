import { test } from 'node:test'
import { startCaddy } from '@audience-bridge/testkit/proxies.ts'
import { edgeContract, edgeSockets } from './edge-world.ts'

test('Caddy carries the traffic as shipped', (t) => edgeContract(t, startCaddy))

test('Caddy leaves WebSockets to the BFF', (t) => edgeSockets(t, startCaddy))
