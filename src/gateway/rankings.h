// The rankings, as they were last told: what buyers see while the ranking service is down, or slow.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "boxoffice/ranking/v1/ranking.pb.h"
#include "gateway/backends.h"

namespace boxoffice::gateway {

// One for all threads of a gateway. Thread-safe.
class Rankings {
 public:
  using Answer = std::shared_ptr<const ranking::v1::GetRankingResponse>;
  // As long as a page may be: pages are cut from one answer. By revenue, for each currency.
  static constexpr uint32_t kRows = 200;

  // The first kRows of the ranking, as of now; or as it was last told, with its as_of_ms, at once: while the
  // service is being asked, and from the first time that it does not answer until it does. Errors: the
  // call's, where nothing was told yet. `by` and `window` are valid ones, of which there are fifteen in all.
  // Asks by `backends`, on whose executor it runs, and which outlive its last call.
  asio::awaitable<Result<Answer>> Get(Backends& backends, std::string by, std::string window,
                                      std::string traceparent);

 private:
  struct Entry {
    Answer last;  // null: none yet
    bool asking = false;
    Error error;  // of the last time that it was asked; no reason: there was none
  };
  using Key = std::pair<std::string, std::string>;

  asio::awaitable<void> Refresh(Backends& backends, Key key, std::string traceparent);

  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

}  // namespace boxoffice::gateway
