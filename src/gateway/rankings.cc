#include "gateway/rankings.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace boxoffice::gateway {

asio::awaitable<Result<Rankings::Answer>> Rankings::Get(std::string by, std::string window,
                                                        std::string traceparent) {
  const Key key(std::move(by), std::move(window));
  Entry& entry = entries_[key];  // stays where it is: a map
  const bool may_wait = entry.last == nullptr || (!entry.asking && entry.error.reason.empty());
  if (may_wait) {
    co_await Refresh(key, std::move(traceparent));
  } else if (!entry.asking) {
    asio::co_spawn(backends_.executor(), Refresh(key, std::move(traceparent)), asio::detached);
  }
  Result<Answer> known = entry.last;
  if (entry.last == nullptr) known = std::unexpected(entry.error);
  co_return known;
}

asio::awaitable<void> Rankings::Refresh(Key key, std::string traceparent) {
  Entry& entry = entries_[key];
  entry.asking = true;
  ranking::v1::GetRankingRequest query;
  query.set_by(key.first);
  query.set_window(key.second);
  query.set_limit(kRows);
  const auto start = [this](auto... arguments) { backends_.ranking->async()->GetRanking(arguments...); };
  Result<ranking::v1::GetRankingResponse> told =
      co_await backends_.Ask<ranking::v1::GetRankingResponse>(query, traceparent, start);
  entry.asking = false;
  entry.error = told ? Error{} : told.error();
  if (told) entry.last = std::make_shared<const ranking::v1::GetRankingResponse>(*std::move(told));
}

}  // namespace boxoffice::gateway
