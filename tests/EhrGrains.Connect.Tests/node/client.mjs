// Sends COUNT messages to 127.0.0.1:PORT, each when the one before is acknowledged, and prints what MSA-1 and MSA-2 said.
import { Client, Message } from 'node-hl7-client'

const [port, count] = process.argv.slice(2).map(Number)
const answers = []
const client = new Client({ host: '127.0.0.1' })
const connection = client.createConnection({ port }, async (response) => {
  const acknowledgement = response.getMessage()
  answers.push(`${acknowledgement.get('MSA.1')} ${acknowledgement.get('MSA.2')}`)
  if (answers.length < count) {
    await send()
    return
  }

  await connection.close()
  console.log(JSON.stringify(answers))
  process.exit(0)
})
connection.on('connect', send)

async function send () {
  const number = answers.length + 1
  const message = new Message({ messageHeader: { msh_9_1: 'ADT', msh_9_2: 'A01', msh_10: `NODE${number}`, msh_11_1: 'D' } })
  message.set('PID.3', `MRN${number}`)
  await connection.sendMessage(message)
}
