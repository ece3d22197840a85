// axe over every page, in both languages, light and dark, on a phone and a desktop: no serious violation in any.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { furnish, kFlags } from './pages.mjs';
import { person, startBrowser, startSystem, violations } from './system.mjs';

const kForms = { desktop: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };
let system;
let browser;
let furnished;

before(async () => {
  system = await startSystem(...kFlags);
  browser = await startBrowser();
  furnished = await furnish(system.url);
});
after(async () => {
  furnished?.close();
  await browser?.close();
  await system?.stop();
});

// What costs something, on the narrowest phone: a number that goes on in the next line is read as another one.
async function brokenAmounts(page) {
  await page.setViewportSize({ width: 320, height: 800 });
  return page.evaluate(() =>
    [...document.querySelectorAll('main td, .legend b, .big, .amount b')].filter((element) => !element.closest('.console')).flatMap((element) => {
      const text = document.createRange();
      text.selectNodeContents(element);
      return new Set([...text.getClientRects()].map((line) => Math.round(line.top))).size > 1 ? [`${element.textContent} is broken`] : [];
    }));
}

// Whoever reads text at twice its size scrolls in one direction alone (WCAG 1.4.4).
const kDoubled = ['seats', 'checkout', 'wallet'];
async function widthDoubled(page) {
  await page.setViewportSize(kForms.phone);
  return page.evaluate(() => {
    document.documentElement.style.fontSize = '200%';
    const wide = document.documentElement.scrollWidth - innerWidth;
    document.documentElement.style.fontSize = '';
    return wide;
  });
}

// A page is loaded once for a language; the rest changes while it is open, as it does for people. A theme changes colours alone.
async function lookAt(page, [name, path, ready]) {
  const found = [];
  await page.setViewportSize(kForms.desktop);
  await page.goto(path);
  await page.locator(ready).first().waitFor();
  for (const [form, size] of Object.entries(kForms)) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: 'light' });
    found.push(...(await violations(page)).map((violation) => `${name} ${form}: ${violation}`));
    await page.emulateMedia({ colorScheme: 'dark' });
    found.push(...(await violations(page, 'color-contrast')).map((violation) => `${name} ${form} dark: ${violation}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) found.push(`${name} ${form}: ${wide} px wider than the screen`);
  }
  const wide = kDoubled.includes(name) ? await widthDoubled(page) : 0;
  if (wide > 0) found.push(`${name} phone: ${wide} px wider than the screen where text is twice as large`);
  found.push(...(await brokenAmounts(page)).map((broken) => `${name}: ${broken}`));
  return found;
}

describe('whoever sees whatever page, in each language, form and theme', { concurrency: 2 }, () => {
  for (const role of ['buyer', 'operator']) {
    test(`a ${role}`, async () => {
      const found = [];
      for (const language of ['ko', 'en']) {
        const { page, context, errors } = await person(browser, system.url, { user: role === 'operator' ? 'olga' : 'mina', role, language });
        for (const one of furnished.pages) if ((one[3] ?? 'buyer') === role) found.push(...(await lookAt(page, one)).map((violation) => `${language} ${violation}`));
        found.push(...errors);
        await context.close();
      }
      assert.deepEqual(found, []);
    });
  }
});
