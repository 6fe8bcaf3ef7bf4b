// Calls mem0's official JavaScript client as it is told on its standard input, one JSON object a line; arguments: host, key.
const { MemoryClient } = require("mem0ai");

const [host, apiKey] = process.argv.slice(2);
const client = new MemoryClient({ apiKey, host });

async function main() {
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const { name, args } = JSON.parse(line);
    let reply;
    try {
      reply = { result: (await client[name](...args)) ?? null };
    } catch (error) {
      reply = { error: error.name, message: error.message };
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
  }
}

main();
