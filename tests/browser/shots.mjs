// ./dev shots: every page, on a phone and a desktop, light and dark, in Korean and English, into build/shots.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { furnish, kFlags } from './pages.mjs';
import { person, root, seatPoint, startBrowser, startSystem } from './system.mjs';

const folder = join(root, 'build/shots');
mkdirSync(folder, { recursive: true });
const kForms = [
  { form: 'desktop', viewport: { width: 1280, height: 860 } },
  { form: 'phone', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
];
const only = process.argv[2];

const { url, stop } = await startSystem(...kFlags);
const browser = await startBrowser();
let furnished;
try {
  furnished = await furnish(url);
  const { shows, pages } = furnished;
  for (const { form, ...options } of kForms) {
    for (const [theme, language] of [['light', 'ko'], ['light', 'en'], ['dark', 'ko'], ['dark', 'en']]) {
      for (const [name, path, ready, role = 'buyer'] of pages) {
        const file = `${name}-${form}-${theme}-${language}.png`;
        if (only && !new RegExp(only).test(file)) continue;
        const { page, context } = await person(browser, url, { user: role === 'operator' ? 'olga' : 'mina', role, language, colorScheme: theme, ...options });
        await page.goto(path);
        await page.locator(ready).first().waitFor();
        if (name === 'seat-list') {
          await page.getByRole('tab').nth(1).click();
          await page.locator('.rows button').first().click();
        }
        if (name === 'seats') {
          const seats = (await (await fetch(`${url}/v1/shows/${shows.hall.id}/seats`)).json()).items.filter((seat) => seat.state === 'free');
          for (const seat of seats.slice(0, 2)) {
            const at = await seatPoint(page, seat);
            await page.mouse.click(at.x, at.y);
          }
          await page.evaluate(() => window.scrollTo(0, 0));
        }
        // The dashboard draws what came since it was opened.
        await page.waitForTimeout(name === 'console' ? 9_000 : 400);
        await page.screenshot({ path: join(folder, file), fullPage: !['seats', 'stadium'].includes(name) });
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
  await stop();
  furnished?.close();
}
console.log(`screenshots are in ${folder}`);
