// mem0's provider for Vercel's AI SDK: its functions, and a model of its own that asks the memory by itself.
import { createOpenAI } from "@ai-sdk/openai";
import { addMemories, createMem0, getMemories, retrieveMemories, searchMemories } from "@mem0/vercel-ai-provider";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const { MEMSVC_URL: host, MEMSVC_API_KEY: key, USER, NAMESPACE } = process.env;
const whose = { host, mem0ApiKey: key, user_id: USER };
const text = (role, ...texts) => ({ role, content: texts.map((text) => ({ type: "text", text })) });
console.error = () => {}; // the provider writes there what it throws, and swallows, as well

const talk = [
  { role: "system", content: "Be brief." },
  text("user", "My name is Jürgen.", "I live in Lübeck and I keep bees."),
  { role: "assistant", content: [{ type: "reasoning", text: "Bees, then." }, { type: "text", text: "How many hives?" },
    { type: "tool-call", toolCallId: "c1", toolName: "count", input: {} }] },
  { role: "tool", content: [{ type: "tool-result", toolCallId: "c1", toolName: "count", output: { type: "text", value: "4" } }] },
  text("user", "I have four hives, and my dog is called Rufus."),
];
const added = await addMemories(talk, { ...whose, metadata: { from: "vercel" } });
await addMemories("I play the cello on Fridays.", { ...whose, run_id: "evening" });

// A long conversation: what is asked stands at its end.
const chatter = Array.from({ length: 300 }, (_, n) => [text("user", `We spoke of the garden fence, part ${n}.`),
  text("assistant", `Of its part ${n}, yes.`)]).flat();
const long = [...chatter, text("user", "What is my dog called?")];
const pasted = `${"The garden fence has many boards. ".repeat(600)}\nWhere do I live?`;

async function refusal(promise) {
  try {
    return { gave: await promise };
  } catch (error) {
    return { message: error.message };
  }
}

// All of it against this service: the memory, and the model behind it.
const mem0 = createMem0({
  provider: "openai", mem0ApiKey: key, apiKey: key, mem0Config: { host, user_id: USER },
  config: { baseURL: `${host}/v1`, headers: { "X-Memsvc-Namespace": NAMESPACE } },
});
const asked = { model: mem0.chat("memsvc"), maxRetries: 0 };
const generated = await generateText({ ...asked, prompt: "What is my dog called?" });
const streamed = streamText({ ...asked, prompt: "Which instrument do I play?" });
const pieces = [];
for await (const piece of streamed.textStream) pieces.push(piece);

// Vercel's own OpenAI provider, with a tool that it runs.
const openai = createOpenAI({ baseURL: `${host}/v1`, apiKey: key, headers: { "X-Memsvc-Namespace": NAMESPACE } });
const weather = tool({ inputSchema: jsonSchema({ type: "object", properties: {} }), execute: async () => "rainy" });
const tools = { model: openai.chat("memsvc"), maxRetries: 0, tools: { weather }, stopWhen: stepCountIs(3) };
const withTools = await generateText({ ...tools, prompt: "How is the weather?" });
const streamedTools = streamText({ ...tools, prompt: "And now?" });

const image = { role: "user", content: [{ type: "image", image: { url: "https://example.org/dog.png" } }] };
console.log(JSON.stringify({
  added: added.results,
  retrieved: await retrieveMemories("Where does Jürgen live?", whose),
  got: await getMemories([text("user", "Which instrument do I play?")], { ...whose, top_k: 2 }),
  ofRun: await getMemories("Which instrument do I play?", { ...whose, run_id: "evening", rerank: true, threshold: 0 }),
  ofOther: await getMemories("x", { ...whose, run_id: "never" }),
  withMetadata: await getMemories("What does Jürgen keep?", { ...whose, metadata: { from: "vercel" } }),
  ofNobody: await retrieveMemories("x", { ...whose, user_id: `${USER}-nobody` }),
  searched: await searchMemories(long, whose),
  lengths: [long.filter((message) => message.role === "user").map((message) => message.content[0].text).join("  ").length,
    pasted.length],
  ofPasted: await retrieveMemories(pasted, whose),
  generated: { text: generated.text, sources: generated.sources.length },
  pieces,
  tools: { text: withTools.text, steps: withTools.steps.length },
  streamedTools: await streamedTools.text,
  refused: {
    key: await refusal(getMemories("x", { ...whose, mem0ApiKey: "wrong" })),
    swallowed: await refusal(searchMemories("x", { ...whose, mem0ApiKey: "wrong" })),
    nobody: await refusal(getMemories("x", { host, mem0ApiKey: key })),
    infer: await refusal(addMemories("I row.", { ...whose, infer: false })),
    image: await refusal(addMemories([image], whose)),
  },
}));
