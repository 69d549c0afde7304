// Looks at a report as people do: in a browser, wide, narrow, dark and on paper. Says in JSON what the browser complained
// of, what axe-core found, and whether anything stands out of the page; leaves pictures behind.
//   node page.mjs REPORT.html FOLDER
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [report, folder] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
fs.mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'], // in a container there is no user to be protected from
});
const answer = { complaints: [], requests: [], violations: [], outside: [], title: '', text: '' };

const views = {
  wide: { viewport: { width: 1280, height: 900 } },
  narrow: { viewport: { width: 360, height: 740 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  'without-scripts': { viewport: { width: 1280, height: 900 }, javaScriptEnabled: false },
};
for (const [name, options] of Object.entries(views)) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('console', (message) => answer.complaints.push(`${name}: ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => answer.complaints.push(`${name}: ${error.message}`));
  page.on('request', (request) => answer.requests.push(request.url()));
  await page.goto(pathToFileURL(path.resolve(report)).href);
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  answer.title = await page.title();
  if (options.javaScriptEnabled === false) {
    answer.text = await page.locator('body').innerText();
  } else {
    const wider = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    if (wider) answer.outside.push(name);
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run());
    for (const { id, impact, help, nodes } of found.violations) {
      answer.violations.push(`${name}: ${id} (${impact}): ${help}: ${nodes.map((node) => node.html).join(' | ')}`);
    }
    answer.checked = (answer.checked ?? 0) + found.passes.length;
  }
  if (name === 'wide') {
    await page.emulateMedia({ media: 'print' });
    await page.pdf({ path: path.join(folder, 'printed.pdf'), format: 'A4', printBackground: true });
    await page.setViewportSize({ width: 794, height: 1123 });
    await page.screenshot({ path: path.join(folder, 'printed.png'), fullPage: true });
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify(answer));
