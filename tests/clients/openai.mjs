// OpenAI's client: chats plain, as a stream and with tools; models; and what goes wrong.
import OpenAI from "openai";

const { MEMSVC_URL, MEMSVC_API_KEY, NAMESPACE } = process.env;
const options = { baseURL: `${MEMSVC_URL}/v1`, maxRetries: 0 };
const ai = new OpenAI({ ...options, apiKey: MEMSVC_API_KEY, defaultHeaders: { "X-Memsvc-Namespace": NAMESPACE } });
const stranger = new OpenAI({ ...options, apiKey: "wrong" });
const say = (content) => [{ role: "user", content }];
const chat = (content, more = {}) => ai.chat.completions.create({ model: "memsvc", messages: say(content), ...more });

const plain = await chat("My daughter Ines studies botany in Porto.");
const pieces = [];
for await (const chunk of await chat("What does Ines study?", { stream: true })) {
  pieces.push(chunk.choices[0]?.delta?.content ?? "");
}

const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const asked = say("How is the weather?");
const called = await ai.chat.completions.create({ model: "memsvc", messages: asked, tools });
const messages = [...asked, called.choices[0].message];
for (const call of called.choices[0].message.tool_calls) {
  messages.push({ role: "tool", tool_call_id: call.id, content: "rainy" });
}
const told = await ai.chat.completions.create({ model: "memsvc", messages, tools });
// The client's own loop: it calls the function, and asks again, over streams.
const loop = ai.chat.completions.runTools({
  model: "memsvc", messages: say("And tomorrow?"), stream: true,
  tools: [{ type: "function", function: { name: "weather", parameters: {}, parse: JSON.parse, function: () => "sunny" } }],
});

const raw = await new OpenAI({ ...options, apiKey: MEMSVC_API_KEY }).chat.completions
  .create({ model: "memsvc", messages: say("Ich heiße Jürgen."), user: "Jürgen Größe" }).withResponse();

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    const { message, status, code, type } = error;
    return { kind: error.constructor.name, api: error instanceof OpenAI.APIError, message, status, code, type };
  }
}

const models = [];
for await (const model of ai.models.list()) models.push(model.id);
console.log(JSON.stringify({
  plain: plain.choices[0].message.content,
  pieces,
  calls: called.choices[0].message.tool_calls.map((call) => call.function),
  told: told.choices[0].message.content,
  loop: await loop.finalContent(),
  umlauts: { content: raw.data.choices[0].message.content, space: raw.response.headers.get("X-Memsvc-Namespace") },
  models,
  model: (await ai.models.retrieve("big-model")).id,
  refused: {
    key: await refusal(stranger.models.list()),
    keyOfChat: await refusal(stranger.chat.completions.create({ model: "memsvc", messages: say("x") })),
    model: await refusal(ai.models.retrieve("nothing")),
    modelOfEndpoint: await refusal(chat("404", { model: "nothing" })),
    rate: await refusal(chat("429")),
    rateOfStream: await refusal(chat("429", { stream: true })),
    empty: await refusal(ai.chat.completions.create({ model: "memsvc", messages: [] })),
    completions: await refusal(ai.completions.create({ model: "memsvc", prompt: "x" })),
  },
}));
