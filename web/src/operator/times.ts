// Times as <input type="datetime-local"> has them: in the operator's own zone, to the minute.
export function localInput(time: string | null): string {
  if (!time) return '';
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const timeOf = (value: string) => new Date(value).toISOString();
