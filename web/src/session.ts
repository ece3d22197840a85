import { useQuery } from '@tanstack/react-query';
import { api, ok, type Schemas } from './api/client';

// Who is signed in. The cookie that says so can't be read here, so the server is asked.
// `thrown`: why nobody knows, and `retry` asks again.
export function useSession(): { session: Schemas['Session'] | undefined; thrown: unknown; retry: () => void; signOut: () => Promise<void> } {
  const { data, error, refetch } = useQuery({ queryKey: ['session'], queryFn: () => ok(api.GET('/v1/session')) });
  return {
    session: data,
    thrown: data ? undefined : error,
    retry: () => void refetch(),
    async signOut() {
      await ok(api.DELETE('/v1/session'));
      // What the page has read goes with it. Emptied here, it would be read anew until then, and refused. A browser that keeps the
      // page for its Back button must not show it again.
      addEventListener('pageshow', () => location.reload());
      location.assign('/');
    },
  };
}
