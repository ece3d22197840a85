#include "gateway/rankings.h"

namespace boxoffice::gateway {

asio::awaitable<Result<Rankings::Answer>> Rankings::Get(std::string by, std::string window,
                                                        std::string traceparent) {
  Entry& entry = entries_[{by, window}];  // stays where it is: a map
  Result<Answer> known = entry.last;
  if (entry.asking && entry.last != nullptr) co_return known;
  entry.asking = true;
  ranking::v1::GetRankingRequest query;
  query.set_by(by);
  query.set_window(window);
  query.set_limit(kRows);
  const auto start = [this](auto... arguments) { backends_.ranking->async()->GetRanking(arguments...); };
  Result<ranking::v1::GetRankingResponse> told =
      co_await backends_.Ask<ranking::v1::GetRankingResponse>(query, traceparent, start);
  entry.asking = false;
  if (told) {
    entry.last = std::make_shared<const ranking::v1::GetRankingResponse>(*std::move(told));
  } else if (entry.last == nullptr) {
    known = std::unexpected(std::move(told).error());
    co_return known;
  }
  known = entry.last;
  co_return known;
}

}  // namespace boxoffice::gateway
