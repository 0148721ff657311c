/**
 * A real browser that runs page.js: for each line of JSON on standard input, [name, ...words], it calls the page's
 * function of that name and writes what it returns as a line of JSON. Usage: node browser.js CHROMIUM PAGE_URL
 */

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await browser.newPage();
page.on("console", (message) => console.error(message.text()));
await page.goto(url);
for await (const line of createInterface({ input: process.stdin })) {
  const result = await page.evaluate((words) => globalThis.play(...words), JSON.parse(line));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await browser.close();
