// Where the seats of a show come from, and the only place that knows in what form.
import { deadline, Problem, type Schemas } from '../api/client';
import { SeatModel } from './model';
import { seatsOf } from './rows';

// `of`: "/v1/admin" for operators, who see drafts as well. `tag` names what was read: the stream of events goes on from it.
export async function fetchSeats(show: string, of: '/v1' | '/v1/admin' = '/v1'): Promise<{ model: SeatModel; tag: string }> {
  let answer: Response;
  try {
    answer = await fetch(`${of}/shows/${show}/seat-map`, { signal: deadline() });
  } catch {
    throw new Problem(0, 'offline');
  }
  const body: unknown = await answer.json();
  if (!answer.ok) throw new Problem(answer.status, (body as Schemas['Problem']).code, body as Schemas['Problem']);
  const map = body as Schemas['SeatMap'];
  return { model: new SeatModel(seatsOf(map), map.layout_version), tag: answer.headers.get('ETag') ?? '' };
}
