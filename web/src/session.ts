import { useQuery } from '@tanstack/react-query';
import { api, ok, type Schemas } from './api/client';

// Who is signed in. The cookie that says so can't be read here, so the server is asked.
export function useSession(): { session: Schemas['Session'] | undefined; signOut: () => Promise<void> } {
  const { data } = useQuery({ queryKey: ['session'], queryFn: () => ok(api.GET('/v1/session')) });
  return {
    session: data,
    async signOut() {
      await ok(api.DELETE('/v1/session'));
      // What the page has read goes with it. Emptied here, it would be read anew until then, and refused. A browser that keeps the
      // page for its Back button must not show it again.
      addEventListener('pageshow', () => location.reload());
      location.assign('/');
    },
  };
}
