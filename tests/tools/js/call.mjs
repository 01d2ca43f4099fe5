// Makes AWS calls with the SDK for JavaScript v3: one JSON object a line in, one a line out.
// {"service", "operation", "region", "parameters"} -> {"answer": …} or {"error": "Code"}

import { createInterface } from "node:readline";

const PACKAGES = { events: "eventbridge", logs: "cloudwatch-logs" };
const loaded = {};

async function clientOf(service, region) {
  const key = `${service} ${region}`;
  if (!loaded[key]) {
    const sdk = await import(`@aws-sdk/client-${PACKAGES[service] ?? service}`);
    const name = Object.keys(sdk).find((each) => /^[A-Z]\w+Client$/.test(each));
    loaded[key] = { sdk, client: new sdk[name]({ region, endpoint: process.env.AWS_ENDPOINT_URL }) };
  }
  return loaded[key];
}

function plain(value) {
  if (value instanceof Date) return Math.floor(value.getTime() / 1000);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf-8");
  // IAM's policies are URL-encoded JSON, which boto3 decodes.
  if (typeof value === "string" && value.startsWith("%7B")) {
    return JSON.parse(decodeURIComponent(value));
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    const entries = Object.entries(value).filter(([name]) => name !== "$metadata");
    return Object.fromEntries(entries.map(([name, each]) => [name, plain(each)]));
  }
  return value;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { service, operation, region, parameters } = JSON.parse(line);
  let result;
  try {
    const { sdk, client } = await clientOf(service, region);
    result = { answer: plain(await client.send(new sdk[`${operation}Command`](parameters))) };
  } catch (error) {
    if (!error.$metadata?.httpStatusCode) throw error;
    // AWS Backup's errors have a member Code of their own, ERROR_….
    result = { error: error.Code && !error.Code.startsWith("ERROR_") ? error.Code : error.name };
  }
  console.log(JSON.stringify(result));
}
