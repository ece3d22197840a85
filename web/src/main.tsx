import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Problem } from './api/client';
import { pauseMs } from './api/pause';
import { App } from './app';

// Without a connection a request fails at once and says so: one that is kept would be sent when nobody means it any more.
const networkMode = 'always';
// Who is told to wait for longer is told so, and asks again when they like.
const kPatienceMs = 10_000;

const mayPass = (problem: Problem) => (problem.status === 0 || problem.status >= 500) && problem.retryAfterMs <= kPatienceMs;

const queries = new QueryClient({
  defaultOptions: {
    mutations: { networkMode },
    queries: {
      networkMode,
      refetchOnReconnect: true,
      staleTime: 5_000,
      // What was refused stays refused; what got no answer may get one.
      retry: (tried, thrown) => tried < 3 && (!(thrown instanceof Problem) || mayPass(thrown)),
      retryDelay: (tried, thrown) => pauseMs(tried, thrown instanceof Problem ? thrown.retryAfterMs : 0),
    },
  },
});

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
