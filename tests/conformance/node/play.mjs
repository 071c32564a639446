// Plays the suite with Amazon's own JavaScript client. Steps come as JSON on the standard input,
// what the client saw goes to the standard output. See steps.py for what a step is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as sdk from "@aws-sdk/client-rekognition";

const asked = JSON.parse(readFileSync(0, "utf-8"));
const kept = { ...asked.kept };

const clientOf = (own) =>
  new sdk.RekognitionClient({
    endpoint: asked.endpoint,
    region: asked.region,
    maxAttempts: 1,
    credentials: {
      accessKeyId: own?.key ?? asked.key,
      secretAccessKey: own?.secret ?? asked.secret,
    },
  });
const usual = clientOf(null);

function filled(value) {
  if (typeof value === "string") {
    const name = /^\$\{(\w+)\}$/.exec(value);
    return name ? kept[name[1]] : value;
  }
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  if ("$file" in value) return readFileSync(join(asked.files, value.$file));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each)]));
}

const at = (value, path) => path.split(".").reduce((found, part) => found?.[part], value);

async function inPages(client, step, parameters) {
  const paginate = sdk[`paginate${step.operation}`];
  const gathered = [];
  for await (const page of paginate({ client, pageSize: asked.page }, parameters))
    gathered.push(...(page[step.pages] ?? []));
  return { [step.pages]: gathered };
}

async function once(client, step, parameters) {
  if (step.pages !== null) return inPages(client, step, parameters);
  const { $metadata, ...answer } = await client.send(
    new sdk[`${step.operation}Command`](parameters),
  );
  return answer;
}

async function outcomeOf(step) {
  const client = step.credentials ? clientOf(step.credentials) : usual;
  const parameters = filled(step.parameters);
  const ends = Date.now() + 1000 * asked.patience;
  for (;;) {
    try {
      const answer = await once(client, step, parameters);
      const done = Object.entries(step.until ?? {}).every(([path, value]) => at(answer, path) === value);
      if (!done && Date.now() < ends) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      for (const [name, path] of Object.entries(step.keep)) kept[name] = at(answer, path) ?? null;
      return { answer };
    } catch (error) {
      return { error: error.name, message: error.message };
    }
  }
}

const outcomes = [];
for (const step of asked.steps) outcomes.push({ ...(await outcomeOf(step)), kept: { ...kept } });
process.stdout.write(JSON.stringify(outcomes));
