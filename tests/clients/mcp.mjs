// The Model Context Protocol's own client, over streamable HTTP: it calls what Python tells it, one list of calls.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { MEMSVC_URL, MEMSVC_API_KEY, NAMESPACE } = process.env;
const address = new URL(`${MEMSVC_URL}/mcp`);
const headers = (key) => ({ requestInit: { headers: { Authorization: `Bearer ${key}`, "X-Memsvc-Namespace": NAMESPACE } } });

async function connected(key) {
  const client = new Client({ name: "memsvc-tests", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(address, headers(key)));
  return client;
}

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

const client = await connected(MEMSVC_API_KEY);
const { tools } = await client.listTools(); // from here on it checks each result against the tool's output schema
const told = [];
const call = async (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
const onprogress = ({ progress, total, message }) => told.push({ progress, total, message });

const remembered = await call("remember", { text: "My boat is called Albatross.", speaker: "Ana", session: "harbour" });
const [unit_id] = remembered.structuredContent.memories;
const query = "What is Ana's boat called?";
const called = {
  remember: remembered,
  recall: await call("recall", { query, limit: 3, as_of: new Date(Date.now() + 1000).toISOString() }),
  context: await call("context", { query, budget_tokens: 256 }),
  answer: await call("answer", { query }, { onprogress }),
  profile: await call("profile", { subject: "Ana" }),
  sources: await call("sources", { unit_id }),
  correct: await call("correct", { unit_id, text: "Ana: My boat is called Petrel." }),
  forget: await call("forget", { unit_id, reason: "sold" }),
};
const after = await call("recall", { query: "boat Petrel" });
console.log(JSON.stringify({
  server: client.getServerVersion(),
  instructions: client.getInstructions(),
  capabilities: client.getServerCapabilities(),
  tools,
  unit_id,
  called,
  told,
  after: after.structuredContent.results,
  refused: {
    argument: await call("recall", { query, top_k: 3 }),
    value: await call("recall", { query, limit: 0 }),
    missing: await call("recall", {}),
    tool: await call("dream", {}).catch((error) => ({ code: error.code, message: error.message })),
    cursor: await refusal(client.listTools({ cursor: "next" })),
    prompts: await refusal(client.listPrompts()),
    key: await refusal(connected("wrong")),
  },
}));
await client.close();
