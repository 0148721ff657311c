/**
 * Opens measure's report and its review page from disk, without a network; grades every answer and exports. Writes what
 * was seen as JSON. Usage: node measured.js CHROMIUM REPORT.html REVIEW.html FOLDER, where screenshots and export go.
 */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, report, review, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 } });

async function opened(file) {
  const page = await context.newPage();
  const seen = { errors: [], asked: [] };
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || seen.asked.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  return [page, seen];
}

/** How far the page's content sticks out of its window to the right, in pixels. */
const overhang = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;

const [reading, reported] = await opened(report);
reported.pictures = await reading.evaluate(async () => {
  const pictures = [...document.images];
  await Promise.all(pictures.map((picture) => picture.decode()));
  return pictures.map((picture) => ({
    alt: picture.alt,
    natural: picture.naturalWidth,
    width: picture.getBoundingClientRect().width,
    height: picture.getBoundingClientRect().height,
  }));
});
reported.overhang = await reading.evaluate(overhang);
/** Tables that show only when they are scrolled, in a window of common width. */
reported.cut = await reading.evaluate(
  () => [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth).length,
);
await reading.screenshot({ path: join(folder, "report.png"), fullPage: true });
await reading.setViewportSize({ width: 390, height: 800 });
reported.narrowOverhang = await reading.evaluate(overhang);
await reading.screenshot({ path: join(folder, "report-narrow.png") });

const [grading, reviewed] = await opened(review);
await grading.fill("#reviewer", "Ada L.");
const answers = grading.locator("fieldset[data-answer]");
reviewed.answers = [];
for (const answer of await answers.all()) {
  const text = await answer.locator("pre").innerText();
  const score = text.startsWith("right") ? 9 : 2;
  await answer.locator(`input[value="${score}"]`).check();
  await answer.locator("textarea").fill(`${score}, because`);
  reviewed.answers.push(score);
}
await grading.screenshot({ path: join(folder, "review.png") });
await grading.reload();
reviewed.kept = await grading.locator("input[type=radio]:checked").count();
reviewed.count = await grading.locator("#count").innerText();
reviewed.words = await grading.evaluate(() => document.body.innerText);
const [download] = await Promise.all([grading.waitForEvent("download"), grading.click("#export")]);
reviewed.file = download.suggestedFilename();
await download.saveAs(join(folder, "exported.json"));
await grading.setViewportSize({ width: 390, height: 800 });
reviewed.narrowOverhang = await grading.evaluate(overhang);
await grading.screenshot({ path: join(folder, "review-narrow.png") });

process.stdout.write(JSON.stringify({ report: reported, review: reviewed }));
await browser.close();
