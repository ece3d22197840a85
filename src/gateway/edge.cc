#include "gateway/edge.h"

#include "gateway/pages.h"

namespace boxoffice::gateway {

asio::awaitable<Result<void>> Edge::RequireShow(int64_t show_id, const http::Request& request, bool drafts) {
  if (KnowsShow(show_id)) co_return Result<void>();
  seat::v1::GetShowRequest query;
  query.set_id(show_id);
  query.set_drafts(drafts);
  const auto start = [this](auto... arguments) { backends.seat->async()->GetShow(arguments...); };
  const Result<seat::v1::Show> show =
      co_await backends.Ask<seat::v1::Show>(query, request.traceparent(), start);
  if (!show) {
    Result<void> failed = std::unexpected(show.error());
    co_return failed;
  }
  // What operators see, buyers may not: neither a draft nor one that was cancelled as such.
  if (!drafts) known_shows.insert(show_id);
  co_return Result<void>();
}

asio::awaitable<Result<queue::v1::Session>> Edge::PollQueue(const http::Request& request,
                                                            const std::string& user) {
  queue::v1::Command command;
  command.mutable_poll()->set_token(std::string(QueueToken(request)));
  command.mutable_poll()->set_user_id(user);
  Result<queue::v1::Outcome> outcome = co_await backends.Execute(std::move(command), request);
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  co_return std::move(*outcome->mutable_session());
}

}  // namespace boxoffice::gateway
