// Listens on 127.0.0.1:PORT, acknowledges every message, and prints MSH-10 of each; says "ready" when it listens.
import { Server } from 'node-hl7-server'

const port = Number(process.argv[2])
const server = new Server({ bindAddress: '127.0.0.1' })
const inbound = server.createInbound({ port }, async (request, response) => {
  console.log(request.getMessage().get('MSH.10').toString())
  await response.sendResponse('AA')
})
inbound.on('listen', () => console.log('ready'))
