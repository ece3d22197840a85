// The waiting room, as buyers use it, and as everybody may see it.
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/reconnect.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr uint32_t kMaxFollowIntervalS = 5;  // a stream tells sooner than a poll would

void Write(http::JsonWriter& writer, const Edge& edge, int64_t show_id, const queue::v1::Session& session) {
  std::string admission;
  if (session.state() == queue::v1::ACTIVE)
    admission = AdmissionToken(edge.queue_keys, session.token(), session.expires_at_ms());
  WriteSession(writer, show_id, session, edge.waiting_room.ShowStateOf(show_id), admission);
}

Response SessionResponse(const Edge& edge, int64_t show_id, const queue::v1::Session& session) {
  return ObjectResponse([&](http::JsonWriter& writer) { Write(writer, edge, show_id, session); });
}

// A refused session as a problem.
Response RefusedSession(const std::string& refusal) {
  return RefusalResponse(refusal, {}, [&](http::JsonWriter& writer) { WriteEndedPlace(writer, refusal); });
}

// Somebody's place in the line of a show.
struct Look {
  int64_t show_id = 0;
  std::optional<queue::v1::Session> session;  // nullopt: only the queue service knows
};

// As far as the gateway itself knows it: not, if it may be their turn.
Result<Look> LookHere(Edge& edge, std::string_view token, const auth::Principal& caller) {
  BOXOFFICE_ASSIGN(const queue::v1::TokenClaims claims, ReadQueueToken(edge.queue_keys, token));
  if (claims.user_id() != caller.user) return Fail(Code::kPermissionDenied, "token_wrong_user");
  Look look{claims.show_id(), edge.waiting_room.Answer(claims, token)};
  if (look.session && !edge.queue_keys.IsCurrent(token)) {  // before its key goes
    look.session->set_token(edge.queue_keys.Sign(claims.SerializeAsString()));
  }
  return look;
}

// As the queue service says it.
asio::awaitable<Result<Look>> LookThere(Edge& edge, const Request& request, const auth::Principal& caller,
                                        int64_t show_id) {
  Result<queue::v1::Session> session = co_await edge.PollQueue(request, caller.user);
  if (!session) co_return std::unexpected(std::move(session).error());
  edge.waiting_room.Hear(show_id, *session);
  co_return Look{show_id, *std::move(session)};
}

asio::awaitable<Result<Look>> LookUp(Edge& edge, const Request& request, const auth::Principal& caller) {
  Result<Look> look = LookHere(edge, QueueToken(request), caller);
  if (look && !look->session) look = co_await LookThere(edge, request, caller, look->show_id);
  co_return look;
}

Response LookResponse(const Edge& edge, int64_t show_id, const queue::v1::Session& session) {
  return session.refusal().empty() ? SessionResponse(edge, show_id, session)
                                   : RefusedSession(session.refusal());
}

asio::awaitable<Response> Join(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  if (!edge.KnowsShow(*show_id)) {
    const Result<void> known = co_await edge.RequireShow(*show_id, request);
    if (!known) co_return ServiceFailure(known.error());
  }
  queue::v1::Command command;
  command.mutable_join()->set_show_id(*show_id);
  command.mutable_join()->set_user_id(caller.user);
  Result<queue::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  edge.waiting_room.Hear(*show_id, outcome->session());
  co_return LookResponse(edge, *show_id, outcome->session());
}

asio::awaitable<Response> Get(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<Look> look = co_await LookUp(edge, request, caller);
  if (!look) co_return ServiceFailure(look.error());
  co_return LookResponse(edge, look->show_id, *look->session);
}

asio::awaitable<Response> Leave(Edge& edge, Request& request, const auth::Principal& caller) {
  const std::string_view token = QueueToken(request);
  const Result<queue::v1::TokenClaims> claims = ReadQueueToken(edge.queue_keys, token);
  if (!claims) co_return FailureResponse(claims.error());
  queue::v1::Command command;
  command.mutable_leave()->set_token(std::string(token));
  command.mutable_leave()->set_user_id(caller.user);
  const Result<queue::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  if (!outcome->session().refusal().empty()) co_return RefusedSession(outcome->session().refusal());
  edge.waiting_room.Forget(*claims);
  Response response;
  response.status = 204;
  co_return response;
}

// Whether a request that is being answered for long would still be let in: a stream outlives no token, nor
// its key.
bool IsStillKnown(const Routes::Verifiers& verifiers, const Request& request) {
  const Result<auth::Principal> who = Authenticate(verifiers, request);
  return who || who.error().code != Code::kUnauthenticated;
}

// Sends the session whenever it looks different, until it is over. A queue that can't be asked is asked
// again.
asio::awaitable<void> StreamSession(Edge& edge, const Routes::Verifiers verifiers, Request& request,
                                    auth::Principal caller, http::SseStream& stream) {
  asio::steady_timer timer(edge.backends.executor());
  std::string last;
  while (!stream.closed() && IsStillKnown(verifiers, request)) {
    const Result<Look> look = co_await LookUp(edge, request, caller);
    uint32_t wait_s = 1;
    if (look && !look->session->refusal().empty()) co_return;
    if (look) {
      http::JsonWriter writer;
      Write(writer, edge, look->show_id, *look->session);
      if (writer.text() != last) {
        const bool is_first = last.empty();
        last = writer.Take();
        std::string event = "session";
        std::string id;
        std::string data = last;
        const bool sent = co_await stream.Send(std::move(event), std::move(id), std::move(data));
        if (!sent) co_return;
        if (is_first) {
          std::shared_ptr<const std::string> hint = ReconnectHint();
          const bool hinted = co_await stream.SendFormatted(std::move(hint));
          if (!hinted) co_return;
        }
      }
      const queue::v1::SessionState state = look->session->state();
      if (state != queue::v1::WAITING && state != queue::v1::ACTIVE) co_return;
      wait_s = std::clamp(look->session->refresh_interval_s(), 1U, kMaxFollowIntervalS);
    }
    timer.expires_after(std::chrono::seconds(wait_s));
    (void)co_await timer.async_wait(kAwait);
  }
}

asio::awaitable<Response> Follow(Edge& edge, const Routes::Verifiers verifiers, Request& request,
                                 const auth::Principal& caller) {
  // What is wrong with the token is said before the stream begins.
  const Result<Look> look = co_await LookUp(edge, request, caller);
  if (!look) co_return ServiceFailure(look.error());
  if (!look->session->refusal().empty()) co_return RefusedSession(look->session->refusal());
  co_return http::SseResponse([&edge, verifiers, &request, caller](http::SseStream& stream) {
    return StreamSession(edge, verifiers, request, caller, stream);
  });
}

// What a draw needs to be checked is for everybody.
asio::awaitable<Response> View(Edge& edge, Request& request) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  const Result<void> known = co_await edge.RequireShow(*show_id, request);
  if (!known) co_return ServiceFailure(known.error());
  const Result<queue::v1::Queue> queue = edge.waiting_room.View(*show_id);
  if (!queue) co_return ServiceFailure(queue.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteQueueView(writer, *queue); });
}

}  // namespace

void AddQueueRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/v1/shows/{show}/queue",
                [&edge](Request& request) { return View(edge, request); });
  routes.Buyer(
      Method::kPost, "/v1/shows/{show}/queue",
      [&edge](Request& request, const auth::Principal& caller) { return Join(edge, request, caller); });
  routes.Buyer(Method::kGet, "/v1/queue", [&edge](Request& request, const auth::Principal& caller) {
    return Get(edge, request, caller);
  });
  routes.Buyer(Method::kDelete, "/v1/queue",
               Limited(edge.limits.leaves, [&edge](Request& request, const auth::Principal& caller) {
                 return Leave(edge, request, caller);
               }));
  routes.Buyer(Method::kGet, "/v1/queue/events",
               [&edge, verifiers = routes.verifiers()](Request& request, const auth::Principal& caller) {
                 return Follow(edge, verifiers, request, caller);
               });
}

}  // namespace boxoffice::gateway
