#include "gateway/rankings.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace boxoffice::gateway {

asio::awaitable<Result<Rankings::Answer>> Rankings::Get(Backends& backends, std::string by,
                                                        std::string window, std::string traceparent) {
  const Key key(std::move(by), std::move(window));
  bool may_wait = false;
  bool asks = false;
  {
    const std::scoped_lock lock(mutex_);
    Entry& entry = entries_[key];
    may_wait = entry.last == nullptr || (!entry.asking && entry.error.reason.empty());
    asks = may_wait || !entry.asking;
    if (asks) entry.asking = true;
  }
  if (may_wait) {
    co_await Refresh(backends, key, std::move(traceparent));
  } else if (asks) {
    asio::co_spawn(backends.executor(), Refresh(backends, key, std::move(traceparent)), asio::detached);
  }
  const std::scoped_lock lock(mutex_);
  const Entry& entry = entries_[key];
  Result<Answer> known = entry.last;
  if (entry.last == nullptr) known = std::unexpected(entry.error);
  co_return known;
}

asio::awaitable<void> Rankings::Refresh(Backends& backends, Key key, std::string traceparent) {
  ranking::v1::GetRankingRequest query;
  query.set_by(key.first);
  query.set_window(key.second);
  query.set_limit(kRows);
  const auto start = [&backends](auto... arguments) { backends.ranking->async()->GetRanking(arguments...); };
  Result<ranking::v1::GetRankingResponse> told =
      co_await backends.Ask<ranking::v1::GetRankingResponse>(query, traceparent, start);
  const std::scoped_lock lock(mutex_);
  Entry& entry = entries_[key];
  entry.asking = false;
  entry.error = told ? Error{} : told.error();
  if (told) entry.last = std::make_shared<const ranking::v1::GetRankingResponse>(*std::move(told));
}

}  // namespace boxoffice::gateway
