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

// By signs that no two currencies share: not every $ is the same one's.
const formatOf = (language: Language, currency: string) => new Intl.NumberFormat(language, { style: 'currency', currency });
// KRW has no minor unit; Intl knows how many the others have.
const unitOf = (format: Intl.NumberFormat) => 10 ** (format.resolvedOptions().maximumFractionDigits ?? 0);

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
    new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', timeZone });
  const seoul = date('Asia/Seoul');
  const here = date();
  const monthOf = new Intl.DateTimeFormat(language, { year: 'numeric', month: 'long', timeZone: 'Asia/Seoul' });
  return {
    language,
    t,
    money(amount, currency) {
      const format = formatOf(language, currency);
      return format.format(amount / unitOf(format));
    },
    symbol: (currency) => formatOf(language, currency).formatToParts(0).find((part) => part.type === 'currency')!.value,
    unit: (currency) => unitOf(formatOf(language, currency)),
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
