import { createContext, useContext } from 'react';
import { Problem } from '../api/client';
import { en, type Words } from './en';
import { ko } from './ko';

export type Language = 'en' | 'ko';

export function firstLanguage(): Language {
  const kept = localStorage.getItem('language');
  if (kept === 'en' || kept === 'ko') return kept;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

// Of ISO 4217, where it is not 2. Browsers have tables of their own, in which a currency loses decimals that nobody uses in cash: one
// and the same amount would be another with the next release.
const kDecimals: Record<string, string> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
};
const decimalsOf = (currency: string) => Number(Object.keys(kDecimals).find((digits) => kDecimals[digits]!.includes(currency)) ?? 2);

// By signs that no two currencies share: not every $ is the same one's. What never had an amount has no currency either.
function formatOf(language: Language, currency: string) {
  if (!currency) return new Intl.NumberFormat(language);
  const digits = decimalsOf(currency);
  return new Intl.NumberFormat(language, { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits });
}
const unitOf = (currency: string) => 10 ** decimalsOf(currency);

export interface Text {
  language: Language;
  t: Words;
  money: (amount: number, currency: string) => string;
  symbol: (currency: string) => string;
  // So many minor units are one.
  unit: (currency: string) => number;
  // In Seoul, and where the viewer is if the clock shows another time there.
  time: (time: string) => string;
  month: (time: string) => string;
  clock: (time: string) => string;
  number: (n: number) => string;
  // What went wrong and what to do about it.
  problem: (thrown: unknown) => string;
}

export function textOf(language: Language): Text {
  const t = language === 'ko' ? ko : en;
  const date = (timeZone?: string) =>
    new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: 'numeric', minute: '2-digit', timeZone });
  const seoul = date('Asia/Seoul');
  const here = date();
  const monthOf = new Intl.DateTimeFormat(language, { year: 'numeric', month: 'long', timeZone: 'Asia/Seoul' });
  return {
    language,
    t,
    money: (amount, currency) => formatOf(language, currency).format(amount / unitOf(currency)),
    symbol: (currency) => formatOf(language, currency).formatToParts(0).find((part) => part.type === 'currency')!.value,
    unit: unitOf,
    time(time) {
      const at = new Date(time);
      const there = seoul.format(at);
      return there === here.format(at) ? there : `${there} ${t.seoul} (${here.format(at)} ${t.here})`;
    },
    month: (time) => monthOf.format(new Date(time)),
    clock: (time) => new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(time)),
    number: (n) => n.toLocaleString(language),
    problem(thrown) {
      if (!(thrown instanceof Problem)) return t.errors['default']!;
      return t.errors[thrown.code] ?? t.errors['default']!;
    },
  };
}

export const TextContext = createContext<Text>(textOf('en'));
export const useText = () => useContext(TextContext);
